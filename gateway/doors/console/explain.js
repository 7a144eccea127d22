// Panel: what would happen to a call? For operators: to anybody's, and to requests through mounts.

import { choice, field, h, show } from "./dom.js";
import { explanation } from "./explanation.js";
import { parse } from "./json.js";

export async function open(main, place, lab) {
  const catalog = await lab.catalogs.get();
  const operates = lab.session.about.operates;
  const names = h(
    "datalist",
    { id: "method-names" },
    catalog.methods.slice(0, 2000).map((one) => h("option", { value: one.name })),
  );
  const kind = choice(
    [
      ["call", "a call of a method"],
      ["request", "a request through a mount"],
    ],
    "call",
    draw,
  );
  const method = h("input", {
    list: "method-names",
    value: place.rest[0] ?? "",
    "data-search": true,
    autocomplete: "off",
    spellcheck: "false",
  });
  const params = h("textarea", { rows: 3, spellcheck: "false", placeholder: "{…}" });
  const datastack = choice([["", "none"], ...catalog.datastacks.map((one) => [one, one])], "");
  const verb = choice(
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"].map((one) => [one, one]),
    "GET",
  );
  const path = h("input", { placeholder: "/files/images/I1", autocomplete: "off", spellcheck: "false" });
  const who = choice(
    [
      ["", "me"],
      ["anonymous", "nobody (anonymous)"],
      ["other", "somebody else"],
    ],
    "",
    draw,
  );
  const subject = h("input", { autocomplete: "off" });
  const groups = h("input", { autocomplete: "off" });
  const scopes = h("input", { autocomplete: "off" });
  const inputs = h("div", { class: "form" });
  const out = h("section", { "aria-live": "polite", "aria-label": "Explanation" });
  const ask = h(
    "form",
    { class: "card" },
    inputs,
    h("div", { class: "buttons start" }, h("button", { class: "primary" }, "Explain")),
  );

  function draw() {
    const isCall = kind.value === "call";
    show(
      inputs,
      operates && field("What", kind),
      isCall
        ? [
            field("Method", method),
            field("Parameters", params, "As JSON."),
            catalog.datastacks.length && field("Datastack", datastack),
          ]
        : [field("Verb", verb), field("Path", path, "As a caller sends it, the query with it.")],
      operates && field("Who", who),
      operates &&
        who.value === "other" && [
          field("Subject", subject),
          field("Groups", groups, "With commas between."),
          field("Scopes", scopes, "With commas between."),
        ],
    );
  }

  function as() {
    if (who.value !== "other") return who.value;
    const list = (box) =>
      box.value
        .split(",")
        .map((one) => one.trim())
        .filter(Boolean);
    return { subject: subject.value || "somebody", groups: list(groups), scopes: list(scopes) };
  }

  ask.addEventListener("submit", async (event) => {
    event.preventDefault();
    show(out, h("p", { class: "quiet" }, "…"));
    try {
      const raw = params.value.trim();
      if (raw) parse(raw);
      const question =
        kind.value === "call"
          ? { method: method.value, datastack: datastack.value, as: as() }
          : { path: path.value, verb: verb.value, as: as() };
      show(out, h("div", { class: "card" }, await explanation(lab.session, question, raw)));
    } catch (error) {
      show(out, h("p", { class: "trouble", role: "alert" }, error.message));
    }
  });
  draw();
  show(
    main,
    h(
      "div",
      { class: "page" },
      h("h1", null, "What would happen?"),
      h(
        "p",
        { class: "lead" },
        "Who is let through, by which policy; which cache rule counts; what is stored; where it would be asked. Nothing is carried out.",
      ),
      names,
      ask,
      out,
    ),
  );
  method.focus();
  return {};
}
