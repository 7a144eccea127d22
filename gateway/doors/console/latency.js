// Panel: how long do the calls of each method take? Those of the last minutes, of all workers, sorted and found by the gate.

import { choice, h, show } from "./dom.js";
import { poll } from "./polling.js";
import { go, to } from "./route.js";
import { SortableTable } from "./sortable.js";
import { count, many, milliseconds, percent, span } from "./words.js";

const EVERY = 5000;
const SHOWN = 200;
const PAUSE = 150;
const MINUTES = ["1", "5", "15"];
const COLUMNS = [
  { name: "name", title: "Name", meaning: "sort by name" },
  { name: "p50", title: "p50", meaning: "half of the calls ended within this time", numeric: true },
  { name: "p99", title: "p99", meaning: "99 of 100 calls ended within this time", numeric: true },
  { name: "calls", title: "Calls", meaning: "how many there were", numeric: true },
  { name: "failed", title: "Failed", meaning: "how many ended with an error or a fault", numeric: true },
  { name: "cached", title: "From the cache", meaning: "the share that the cache answered", numeric: true },
];

export async function open(main, place, lab) {
  const asked = { since: "5", by: "method", find: "", sort: "p99", order: "desc" };
  for (const name of Object.keys(asked)) asked[name] = place.query.get(name) ?? asked[name];
  let question = 0;
  let timer = 0;

  const find = h("input", {
    type: "search",
    placeholder: "Words of the name",
    "aria-label": "Find by name",
    "data-search": true,
    autocomplete: "off",
    spellcheck: "false",
    value: asked.find,
  });
  const minutes = choice(
    MINUTES.map((one) => [one, one === "1" ? "the last minute" : `the last ${one} minutes`]),
    asked.since,
    (value) => change({ since: value }),
  );
  minutes.setAttribute("aria-label", "Of which time");
  const by = choice(
    [
      ["method", "each method"],
      ["service", "each service"],
    ],
    asked.by,
    (value) => change({ by: value }),
  );
  by.setAttribute("aria-label", "Rows");
  const cards = h("div", { class: "cards slim" });
  const tally = h("p", { class: "quiet", role: "status" });
  const rows = new SortableTable("How long calls took", COLUMNS, (sort, descending) =>
    change({ sort, order: descending ? "desc" : "asc" }),
  );
  rows.sorted(asked.sort, asked.order === "desc");
  show(
    main,
    h(
      "div",
      { class: "page" },
      h("div", { class: "heading" }, h("h1", null, "Latency"), minutes, by, find),
      h(
        "p",
        { class: "lead" },
        "Half of the calls ended within p50, 99 of 100 within p99; what memory answers takes less than 0.1 ms. Calls of all workers, asked again every five seconds.",
      ),
      cards,
      tally,
      rows.element,
    ),
  );

  async function look() {
    const mine = (question += 1);
    const query = new URLSearchParams({ ...asked, since: String(Number(asked.since) * 60), limit: String(SHOWN) });
    const said = await lab.session.json(`-/methods?${query}`);
    if (mine === question) draw(said);
  }

  function change(wish) {
    Object.assign(asked, wish);
    go("latency", [], asked, true);
    return look();
  }

  function draw({ all, by: kind, found, rows: list, seconds }) {
    show(cards, all && drawCards(all, seconds));
    const names = many(found, kind);
    const shown = list.length < found ? `${count(list.length)} of ${names}` : names;
    show(
      tally,
      found
        ? `${shown}, of the last ${span(seconds)}`
        : `Nothing ${asked.find ? "of that name " : ""}was called in the last ${span(seconds)}.`,
    );
    rows.set(list.map((one) => [named(kind, one[kind]), ...cells(one)]));
    rows.element.hidden = !found;
  }

  find.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => change({ find: find.value.trim() }), PAUSE);
  });
  await look();
  const stop = poll(EVERY, look);
  return {
    leave: () => {
      clearTimeout(timer);
      stop();
    },
  };
}

function drawCards(all, seconds) {
  return [
    [within(all.p50), "p50 of all calls"],
    [within(all.p99), "p99 of all calls"],
    [count(all.calls), `calls, ${rate(all.calls / seconds)} a second`],
    [count(all.failed), "failed"],
    [percent(all.cached), "from the cache"],
  ].map(([value, what]) => h("div", { class: "card" }, h("b", null, value), h("span", { class: "quiet" }, what)));
}

function cells(one) {
  return [
    within(one.p50),
    within(one.p99),
    count(one.calls),
    one.failed ? h("span", { class: "failed" }, count(one.failed)) : "0",
    percent(one.cached),
  ];
}

/** The name, which leads to where there is more of it. */
function named(kind, name) {
  const text = h("code", { title: name }, name);
  if (kind === "service") return h("a", { href: to("services", [name]) }, text);
  const [datastack, rest] = name.includes("/") ? name.split("/", 2) : ["", name];
  // What no document describes is no method that could be looked at.
  if (name.endsWith(".http") || name.endsWith(".(others)")) return text;
  return h("a", { href: to("methods", [rest], { datastack }) }, text);
}

function rate(value) {
  return value >= 100 ? count(Math.round(value)) : value.toFixed(1);
}

/** Seconds: 0.00042 is "0.42 ms". The gate tells neither less than the first nor more than the last apart. */
function within(seconds) {
  if (seconds <= 0.0001) return "< 0.1 ms";
  if (seconds >= 300) return "≥ 300 s";
  return seconds < 0.001 ? `${(seconds * 1000).toFixed(2)} ms` : milliseconds(seconds * 1000);
}
