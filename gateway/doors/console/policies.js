// Panel: who may do what? The policies over the services, and what comes of them for somebody.

import { badge, choice, field, h, show } from "./dom.js";
import { mayDo } from "./rights.js";
import { count } from "./words.js";

export async function open(main, _, lab) {
  const { policies, services } = await lab.session.json("-/policies");
  const out = h("div", { "aria-live": "polite" });
  const kind = choice(
    [
      ["token", "somebody with a token"],
      ["anonymous", "nobody (anonymous)"],
    ],
    "token",
    () => (who.hidden = kind.value !== "token"),
  );
  const subject = h("input", { autocomplete: "off", spellcheck: "false", "data-search": true });
  const groups = h("input", { autocomplete: "off", spellcheck: "false" });
  const scopes = h("input", { autocomplete: "off", spellcheck: "false" });
  const who = h(
    "div",
    { class: "form" },
    field("Subject", subject),
    field("Groups", groups, "With commas between."),
    field("Scopes", scopes, "With commas between."),
  );
  const list = (box) =>
    box.value
      .split(",")
      .map((one) => one.trim())
      .filter(Boolean);
  const ask = h(
    "form",
    { class: "card" },
    h("div", { class: "form" }, field("What may", kind)),
    who,
    h("div", { class: "buttons start" }, h("button", { class: "primary" }, "Ask")),
    out,
  );
  ask.addEventListener("submit", async (event) => {
    event.preventDefault();
    const asked = {
      anonymous: kind.value === "anonymous",
      subject: subject.value.trim(),
      groups: list(groups),
      scopes: list(scopes),
    };
    show(out, await mayDo(lab.session, asked));
  });
  show(
    main,
    h(
      "div",
      { class: "page" },
      h("h1", null, "Policies"),
      h(
        "p",
        { class: "lead" },
        "Nothing is allowed that no policy allows, and the first that allows a call counts. How many methods of each service each policy opens:",
      ),
      matrix(policies, services),
      h("h3", null, "What comes of it for somebody"),
      ask,
    ),
  );
  return {};
}

function matrix(policies, services) {
  const head = h(
    "tr",
    null,
    h("th", { scope: "col" }, "Service"),
    policies.map((one) =>
      h(
        "th",
        { scope: "col", class: "policy" },
        h("span", null, `${one.number}`),
        one.to.map((word) => h("span", null, word)),
      ),
    ),
  );
  const about = [
    ["Methods", (one) => one.allow.filter((glob) => !isPath(glob)).join(", ") || "–"],
    ["Paths of mounts", (one) => one.allow.filter(isPath).join(", ") || "–"],
    [
      "Limits",
      (one) =>
        Object.entries(one.limit ?? {})
          .map(([name, value]) => `${name} ${value}`)
          .join(", ") || "–",
    ],
    ["Operates", (one) => (one.operate ? badge("operates", "warn") : "–")],
  ].map(([title, text]) =>
    h(
      "tr",
      { class: "about" },
      h("th", { scope: "row" }, title),
      policies.map((one) => h("td", null, text(one))),
    ),
  );
  const rows = services.map((row) =>
    h(
      "tr",
      null,
      h("th", { scope: "row" }, h("code", null, row.service)),
      row.allowed.map((number) => h("td", null, cell(number, row.methods))),
    ),
  );
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": "Policies over services" },
    h(
      "table",
      { class: "matrix" },
      h("caption", { class: "unseen" }, "How many methods of each service each policy opens"),
      h("thead", null, head),
      h("tbody", null, about, rows),
    ),
  );
}

function isPath(glob) {
  return /^([A-Z]+ )?\//.test(glob);
}

function cell(number, all) {
  if (!all) return h("span", { class: "quiet" }, "no methods");
  if (!number) return h("span", { class: "quiet" }, "–");
  return badge(
    number === all ? `all ${count(all)}` : `${count(number)} of ${count(all)}`,
    number === all ? "good" : "info",
  );
}
