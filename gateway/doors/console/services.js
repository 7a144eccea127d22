// Panel: how are the services?

import { confirm, form, notice, say } from "./dialogs.js";
import { badge, choice, facts, field, h, show, table } from "./dom.js";
import { poll } from "./polling.js";
import { count, many, span } from "./words.js";

const EVERY = 5000;
const HOWS = [
  ["drained", "drain: what is stored goes on to be served"],
  ["disabled", "disable: nobody gets anything of it"],
  ["cordoned", "cordon: as disabled, until the gate ends"],
];

export async function open(main, place, lab) {
  const rows = h("div", null);
  const summary = h("p", { class: "lead", role: "status" });
  const find = h("input", {
    type: "search",
    placeholder: "Filter",
    "aria-label": "Filter services",
    "data-search": true,
  });
  let status = null;
  let opened = place.rest[0] ?? "";

  function draw() {
    if (!status) return;
    const all = Object.entries(status.services);
    const down = all.filter(([, one]) => one.down);
    show(
      summary,
      `${many(all.length, "service")}, ${down.length ? `${many(down.length, "is", "are")} down` : "all up"}. Version ${status.version}, up for ${span(status.uptime_seconds)}, ${many(status.connections, "connection")} of callers.`,
      status.draining && badge("going down", "warn"),
    );
    const wanted = find.value.toLowerCase();
    show(
      rows,
      status.catalog.warnings.map((one) => h("p", { class: "notice" }, one)),
      all.filter(([name]) => name.includes(wanted)).map(([name, one]) => card(name, one)),
    );
  }

  function card(name, one) {
    const made = h(
      "details",
      { class: "card service", open: name === opened },
      h(
        "summary",
        null,
        h("strong", null, name),
        state(one),
        one.breaker !== "closed" && badge(`breaker ${one.breaker}`, "warn"),
        h(
          "span",
          { class: "quiet grow" },
          `${one.dialect}${one.version ? ` ${one.version}` : ""} · ${many(one.methods, "method")}`,
        ),
        one.waiting > 0 && badge(`${one.waiting} wait`, "warn"),
        h("span", { class: "quiet" }, `${one.in_flight} under way`),
      ),
      one.why && h("p", { class: "trouble" }, one.why),
      facts([
        ["Asked last", one.asked === null ? "never" : `${span(one.asked)} ago`],
        [one.down ? "Down since" : "Up since", one.since === null ? "–" : `${span(one.since)} ago`],
        ["Describes itself by", one.convention],
        ["Mounted at", one.mount],
        ["Port of its own", one.listen],
        [
          "Connections",
          `${one.connections} now, ${count(one.opened)} made, ${count(one.reused)} requests on one that was there`,
        ],
        [
          "Failures",
          `${count(one.failures)} without an answer, ${count(one.retries)} sent again, ${count(one.hedges)} hedged, ${count(one.refused)} held back by the breaker`,
        ],
        ["Left out", one.left_out ? many(one.left_out, "method") : null],
        ["Out of service", one.withdrawn?.why],
        ["Cordoned", one.cordoned && `by ${one.cordoned.by}, ${span(one.cordoned.since)} ago`],
      ]),
      table(
        `Replicas of ${name}`,
        ["Replica", "State", "Under way", "Set aside"],
        Object.entries(one.replicas).map(([url, replica]) => [
          h("code", null, url),
          badge(replica.state, replica.state === "up" ? "good" : "bad"),
          count(replica.in_flight),
          count(replica.ejections),
        ]),
        [2, 3],
      ),
      h(
        "div",
        { class: "buttons start" },
        h("button", { type: "button", onclick: () => refresh(name) }, "Ask again what it offers"),
        one.cordoned || one.withdrawn
          ? h("button", { type: "button", onclick: () => putBack(name, one) }, "Put back into service")
          : h("button", { type: "button", class: "danger", onclick: () => takeOut(name) }, "Take out of service …"),
      ),
    );
    made.addEventListener("toggle", () => {
      if (made.open) opened = name;
      else if (opened === name) opened = "";
    });
    return made;
  }

  async function refresh(name) {
    const query = name ? `?service=${encodeURIComponent(name)}` : "";
    const changes = await lab.session.json(`-/refresh${query}`, { method: "POST" });
    const changed = Object.values(changes).reduce(
      (sum, one) => sum + (one.added?.length ?? 0) + (one.removed?.length ?? 0) + (one.changed?.length ?? 0),
      0,
    );
    say(changed ? `${many(changed, "method")} changed.` : "Nothing has changed.");
    await again();
  }

  async function takeOut(name) {
    const how = choice(HOWS, "drained", () => (more.hidden = how.value === "cordoned"));
    const message = h("input", { maxlength: 1000 });
    const until = h("input", { type: "datetime-local" });
    const more = h(
      "div",
      { class: "dialog-body" },
      field("What callers are told", message),
      field("Until", until, "For callers; it ends nothing by itself."),
    );
    const wish = await form(`Take ${name} out of service`, [field("How", how), more], "Take it out", () => {
      const moment_ = until.value ? new Date(until.value).getTime() / 1000 : null;
      if (moment_ !== null && moment_ * 1000 <= Date.now()) throw new Error("Until is a moment that is yet to come.");
      return { state: how.value, message: message.value.trim(), until: moment_ };
    });
    if (!wish) return;
    if (wish.state === "cordoned") await lab.session.json("-/switches", { json: { cordon: { [name]: true } } });
    else await lab.session.json("-/services", { json: { service: name, ...wish } });
    await again();
  }

  async function putBack(name, one) {
    if (!(await confirm(`Put ${name} back into service?`, h("p", null, "Calls reach it again."), "Put it back", false)))
      return;
    if (one.cordoned) await lab.session.json("-/switches", { json: { cordon: { [name]: false } } });
    if (one.withdrawn) await lab.session.json("-/services", { json: { service: name, state: "enabled" } });
    await again();
  }

  async function settings() {
    const said = await lab.session.json("-/reload");
    const lines = (title, list) =>
      list?.length > 0 && [
        h("h3", null, title),
        h(
          "ul",
          null,
          list.map((one) => h("li", null, typeof one === "string" ? one : JSON.stringify(one))),
        ),
      ];
    const body = [
      lines("What a reload would change", said.changes),
      lines("Why it would be refused", said.problems),
      !said.changes?.length && !said.problems?.length && h("p", null, "The settings file says what holds already."),
    ];
    const may = said.changes?.length && !said.problems?.length;
    if (!may) return notice("Settings", body);
    if (!(await confirm("Settings", h("div", { class: "dialog-body" }, body), "Take them", false))) return;
    const done = await lab.session.json("-/reload", { method: "POST" });
    say(`The settings: ${done.what}.`);
    await again();
  }

  async function again() {
    status = await lab.session.json("-/status");
    // What somebody has just opened or is about to press stays where it is.
    if (!rows.contains(document.activeElement) || document.activeElement.tagName === "BUTTON") draw();
  }

  find.addEventListener("input", draw);
  show(
    main,
    h(
      "div",
      { class: "page" },
      h(
        "div",
        { class: "heading" },
        h("h1", null, "Services"),
        find,
        h("button", { type: "button", onclick: settings }, "Settings …"),
        h("button", { type: "button", onclick: () => refresh("") }, "Ask all again"),
      ),
      summary,
      rows,
    ),
  );
  await again();
  return { leave: poll(EVERY, again) };
}

function state(one) {
  if (one.withdrawn) return badge(one.withdrawn.state, "warn");
  if (one.cordoned) return badge("cordoned", "warn");
  return one.down ? badge("down", "bad") : badge("up", "good");
}
