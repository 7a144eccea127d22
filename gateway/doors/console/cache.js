// Panel: what does the cache hold, how much does it help, and what shall it forget?

import { confirm, form, say } from "./dialogs.js";
import { badge, choice, facts, field, h, show, table } from "./dom.js";
import { poll } from "./polling.js";
import { bytes, count, many, moment, percent, span } from "./words.js";

const EVERY = 5000;
const STATES = { fresh: "good", stale: "warn", void: "bad", expired: "quiet" };

export async function open(main, place, lab) {
  const { session } = lab;
  const tiers = h("div", { class: "cards" });
  const helped = h("div", null);
  const entries = h("div", null);
  const stored = h("p", { class: "quiet", role: "status" });
  const method = h("input", {
    type: "search",
    placeholder: "Method, like files.get_*",
    "aria-label": "Entries of which methods",
    "data-search": true,
    value: place.query.get("method") ?? "",
  });
  const toggle = h("button", { type: "button", hidden: true });
  let state = null;
  show(
    main,
    h(
      "div",
      { class: "page" },
      h(
        "div",
        { class: "heading" },
        h("h1", null, "Cache"),
        toggle,
        h("button", { type: "button", class: "danger", onclick: purgeSome }, "Purge …"),
      ),
      tiers,
      h("h3", null, "How much it helps"),
      helped,
      h(
        "div",
        { class: "heading" },
        h("h3", { class: "grow" }, "What is in memory, used last first"),
        method,
        h("button", { type: "button", onclick: drawEntries }, "Show"),
      ),
      stored,
      entries,
    ),
  );

  async function look() {
    state = await session.json("-/cache");
    const off = state.switch === "off";
    toggle.hidden = false;
    show(toggle, off ? "Switch the cache on" : "Switch the cache off");
    toggle.className = off ? "primary" : "";
    show(
      tiers,
      off && h("p", { class: "notice" }, "The cache is switched off: everything is asked of the services."),
      h(
        "div",
        { class: "card" },
        h("b", null, percent(state.hit_ratio)),
        h("span", { class: "quiet" }, "of the calls that it had a part in"),
      ),
      Object.entries(state.tiers).map(([name, tier]) => tierCard(name, tier)),
      h(
        "div",
        { class: "card" },
        h("b", null, bytes(state.bytes.cache)),
        h("span", { class: "quiet" }, `not asked of services; ${bytes(state.bytes.upstream)} were`),
      ),
    );
    const rows = Object.entries(state.methods).sort(
      ([, one], [, other]) => other.bytes.cache - one.bytes.cache || other.calls.hit - one.calls.hit,
    );
    show(
      helped,
      rows.length
        ? table(
            "How much the cache helps each method",
            ["Method", "Hit ratio", "Hits", "Stale", "Misses", "Passed by", "Failed", "Bytes saved", "Bytes asked", ""],
            rows.slice(0, 200).map(([name, { hit_ratio: ratio, calls, bytes: sizes }]) => [
              h(
                "a",
                {
                  href: `#/cache?method=${encodeURIComponent(name)}`,
                  onclick: () => ((method.value = name), drawEntries()),
                },
                h("code", null, name),
              ),
              percent(ratio),
              ...["hit", "stale", "miss", "pass", "failed"].map((one) => count(calls[one])),
              bytes(sizes.cache),
              bytes(sizes.upstream),
              h(
                "button",
                {
                  type: "button",
                  "aria-label": `Purge ${name}`,
                  onclick: () => purge({ method: name }, `all that is stored of ${name}`),
                },
                "Purge",
              ),
            ]),
            [1, 2, 3, 4, 5, 6, 7, 8],
          )
        : h("p", { class: "quiet" }, "Nothing was called yet."),
    );
  }

  async function drawEntries() {
    const query = new URLSearchParams({ limit: "100" });
    if (method.value.trim()) query.set("method", method.value.trim());
    try {
      const said = await session.json(`-/cache/entries?${query}`);
      show(stored, `${many(said.entries.length, "entry", "entries")} of ${count(said.stored)}`);
      show(entries, said.entries.map(entryCard));
    } catch (error) {
      show(stored, error.message);
      show(entries);
    }
  }

  function entryCard(one) {
    const title = one.method ?? `${one.service} ${one.target ?? ""}`;
    return h(
      "details",
      { class: "card" },
      h(
        "summary",
        null,
        h("code", null, title),
        badge(one.state, STATES[one.state] ?? "info"),
        one.pinned && badge("pinned", "info"),
        h("span", { class: "quiet grow cut" }, one.params ?? ""),
        h("span", { class: "quiet" }, bytes(one.bytes)),
        h("span", { class: "quiet" }, one.ttl > 0 ? `${span(one.ttl)} left` : "over"),
      ),
      facts([
        ["Asked", one.target],
        ["Parameters", one.params],
        ["For", one.for],
        ["Stored", `${span(one.age)} ago`],
        ["Fresh until", moment(one.fresh_until)],
        ["May serve until", moment(one.stale_until)],
        ["Takes", `${bytes(one.size)} of memory`],
        ["Tags", one.tags.join(", ")],
        ["Tier", one.tier],
        ["Key", h("code", null, one.key)],
      ]),
      h(
        "div",
        { class: "buttons start" },
        h(
          "button",
          { type: "button", class: "danger", onclick: () => purge({ key: one.key }, "this entry") },
          "Purge this entry",
        ),
      ),
    );
  }

  async function purge(what, words) {
    if (
      !(await confirm(
        "Purge?",
        h("p", null, `The cache forgets ${words}, in every worker and tier; the services are asked again.`),
        "Purge",
      ))
    )
      return;
    const said = await session.json("-/cache/purge", { json: what });
    say(`Purged: ${many(said.count, "name")} ended.`);
    await Promise.all([look(), drawEntries()]);
  }

  async function purgeSome() {
    const kind = choice(
      [
        ["method", "methods (a glob)"],
        ["service", "a service"],
        ["tag", "a tag"],
        ["all", "everything"],
      ],
      "method",
      () => (box.hidden = kind.value === "all"),
    );
    const value = h("input", { autocomplete: "off", spellcheck: "false" });
    const box = field("Which", value);
    const body = [
      field("What is forgotten", kind),
      box,
      h("p", { class: "quiet" }, "In every worker and tier at once."),
    ];
    const what = await form("Purge", body, "Purge", () => {
      if (kind.value === "all") return { all: true };
      if (!value.value.trim()) throw new Error("Say which.");
      return { [kind.value]: value.value.trim() };
    });
    if (what)
      await purge(
        what,
        what.all ? "everything" : `what belongs to the ${Object.keys(what)[0]} ${Object.values(what)[0]}`,
      );
  }

  toggle.addEventListener("click", async () => {
    const off = state.switch === "off";
    if (
      !off &&
      !(await confirm(
        "Switch the cache off?",
        h("p", null, "Every call then goes to its service, until it is switched on again."),
        "Switch it off",
      ))
    )
      return;
    await session.json("-/switches", { json: { cache: off ? "on" : "off" } });
    await look();
  });
  method.addEventListener("keydown", (event) => event.key === "Enter" && drawEntries());
  await Promise.all([look(), drawEntries()]);
  return { leave: poll(EVERY, async () => helped.contains(document.activeElement) || look()), move: () => true };
}

function tierCard(name, tier) {
  const used = tier.limit ? tier.bytes / tier.limit : null;
  const meter = used === null ? null : h("meter", { min: 0, max: 1, value: used, "aria-label": `How full ${name} is` });
  return h(
    "div",
    { class: "card" },
    h("b", null, tier.bytes === undefined ? name : bytes(tier.bytes)),
    h(
      "span",
      { class: "quiet" },
      `in ${name}${tier.limit ? ` of ${bytes(tier.limit)}` : ""}${tier.entries === undefined ? "" : `, ${many(tier.entries, "entry", "entries")}`}`,
    ),
    meter,
    h(
      "details",
      null,
      h("summary", { class: "quiet" }, "more"),
      facts(
        Object.entries(tier).map(([key, value]) => [
          key,
          typeof value === "object" ? JSON.stringify(value) : String(value),
        ]),
      ),
    ),
  );
}
