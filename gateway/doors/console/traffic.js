// Panel: what goes on now? Differences of what the gate has counted, from one look to the next.

import { chart } from "./chart.js";
import { h, show, table } from "./dom.js";
import { poll } from "./polling.js";
import { bytes, count, many, milliseconds, percent } from "./words.js";

const EVERY = 2000;
const KEPT = 150;
const OUTCOMES = ["hit", "stale", "miss", "pass", "failed"];

export async function open(main, _, lab) {
  const charts = await Promise.all([
    chart(
      "Calls",
      [
        ["from the cache", "good"],
        ["from services", "info"],
        ["failed", "bad"],
      ],
      { unit: (value) => `${short(value)}/s` },
    ),
    chart("Hit ratio", [["of the calls that the cache had a part in", "accent"]], {
      unit: (value) => `${Math.round(value * 100)} %`,
      most: 1,
    }),
    chart(
      "How long calls took",
      [
        ["half of them", "info"],
        ["99 of 100", "warn"],
      ],
      { unit: milliseconds },
    ),
    chart(
      "Bytes",
      [
        ["saved by the cache", "good"],
        ["from services", "info"],
      ],
      { unit: (value) => `${bytes(value)}/s` },
    ),
  ]);
  const now = h("div", { class: "cards" });
  const methods = h("div", null);
  const services = h("div", null);
  const find = h("input", {
    type: "search",
    placeholder: "Filter methods",
    "aria-label": "Filter methods",
    "data-search": true,
  });
  show(
    main,
    h(
      "div",
      { class: "page" },
      h(
        "div",
        { class: "heading" },
        h("h1", null, "Traffic"),
        h("span", { class: "quiet" }, "every two seconds, of all workers"),
      ),
      now,
      h(
        "div",
        { class: "charts" },
        charts.map((one) => one.card),
      ),
      h("div", { class: "heading" }, h("h3", { class: "grow" }, "Methods"), find),
      methods,
      h("h3", null, "How long the calls of each service took, since the gate began"),
      services,
    ),
  );

  const times = [];
  const columns = [3, 1, 2, 2].map((lines) => [times, ...Array.from({ length: lines }, () => [])]);
  let before = null;
  let rates = new Map();

  function push(at, ...values) {
    values.forEach((value, line) => columns[at][line + 1].push(value));
  }

  async function look() {
    const said = await lab.session.json("-/traffic");
    if (before && said.time > before.time) {
      const seconds = said.time - before.time;
      const rate = (take) => Math.max(0, take(said) - take(before)) / seconds;
      const calls = Object.fromEntries(OUTCOMES.map((one) => [one, rate(({ calls: all }) => all[one])]));
      const served = calls.hit + calls.stale;
      times.push(said.time);
      push(0, served, calls.miss + calls.pass, calls.failed);
      push(1, served + calls.miss ? served / (served + calls.miss) : null);
      const spread = difference(all(said), all(before));
      push(2, quantile(spread, 0.5), quantile(spread, 0.99));
      push(
        3,
        rate(({ bytes: sizes }) => sizes.cache),
        rate(({ bytes: sizes }) => sizes.upstream),
      );
      if (times.length > KEPT) for (const list of new Set(columns.flat())) list.shift();
      rates = new Map(
        Object.entries(said.methods).map(([name, one]) => [
          name,
          total(one.calls, before.methods[name]?.calls) / seconds,
        ]),
      );
    }
    before = said;
    charts.forEach((one, at) => one.set(columns[at]));
    draw(said);
  }

  function draw(said) {
    const { calls } = said;
    const all_ = OUTCOMES.reduce((sum, one) => sum + calls[one], 0);
    show(
      now,
      [
        [count(all_), "calls since the gate began"],
        [percent(said.hit_ratio), "hit ratio since then"],
        [bytes(said.bytes.cache), "answered from the cache"],
        [count(said.in_flight), `requests at services, ${many(said.waiting, "waits", "wait")}`],
        [count(said.connections), "connections of callers"],
      ].map(([value, what]) => h("div", { class: "card" }, h("b", null, value), h("span", { class: "quiet" }, what))),
    );
    drawMethods(said);
    show(
      services,
      table(
        "How long the calls of each service took",
        ["Service", "Calls", "Mean", "Half took less than", "99 of 100 less than"],
        Object.entries(said.services).map(([name, { seconds, durations }]) => {
          const size = durations.at(-1)[1];
          return [
            h("code", null, name),
            count(size),
            size ? milliseconds((seconds / size) * 1000) : "–",
            bound(durations, 0.5),
            bound(durations, 0.99),
          ];
        }),
        [1, 2, 3, 4],
      ),
    );
  }

  function drawMethods(said) {
    const wanted = find.value.toLowerCase();
    const rows = Object.entries(said.methods)
      .filter(([name]) => name.toLowerCase().includes(wanted))
      .map(([name, one]) => ({
        name,
        one,
        size: OUTCOMES.reduce((sum, kind) => sum + one.calls[kind], 0),
        rate: rates.get(name) ?? 0,
      }))
      .sort((one, other) => other.rate - one.rate || other.size - one.size)
      .slice(0, 100);
    show(
      methods,
      rows.length
        ? table(
            "Methods that were called",
            ["Method", "Now", "Calls", "Hit ratio", "Hits", "Stale", "Misses", "Passed by", "Failed", "Bytes saved"],
            rows.map(({ name, one, size, rate }) => [
              h("code", null, name),
              rate ? `${short(rate)}/s` : "–",
              count(size),
              percent(one.hit_ratio),
              ...OUTCOMES.map((kind) => count(one.calls[kind])),
              bytes(one.bytes.cache),
            ]),
            [1, 2, 3, 4, 5, 6, 7, 8, 9],
          )
        : h("p", { class: "quiet" }, "Nothing was called yet."),
    );
  }

  find.addEventListener("input", () => before && drawMethods(before));
  await look();
  const stop = poll(EVERY, look);
  return {
    leave: () => {
      stop();
      for (const one of charts) one.end();
    },
  };
}

function short(value) {
  return value >= 100 ? count(Math.round(value)) : value.toFixed(1);
}

function total(calls, earlier) {
  return OUTCOMES.reduce((sum, one) => sum + calls[one] - (earlier?.[one] ?? 0), 0);
}

/** The counts of all services together, by bound. */
function all({ services }) {
  const found = new Map();
  for (const { durations } of Object.values(services))
    for (const [bound_, size] of durations) found.set(bound_, (found.get(bound_) ?? 0) + size);
  return found;
}

function difference(later, earlier) {
  return [...later].map(([bound_, size]) => [bound_, size - (earlier.get(bound_) ?? 0)]);
}

/** Milliseconds below which this part of the calls stayed, from cumulated counts; null where there were none. */
function quantile(durations, part) {
  const size = durations.at(-1)?.[1] ?? 0;
  if (!size) return null;
  let [lower, below] = [0, 0];
  for (const [bound_, upTo] of durations) {
    if (upTo >= size * part) {
      if (bound_ === null) return lower * 1000;
      return (lower + ((bound_ - lower) * (size * part - below)) / (upTo - below || 1)) * 1000;
    }
    [lower, below] = [bound_ ?? lower, upTo];
  }
  return lower * 1000;
}

function bound(durations, part) {
  const found = quantile(durations, part);
  return found === null ? "–" : milliseconds(found);
}
