// Panel: who has a token of the gate's, who gets one, and what may it do?

import { confirm, copy, form, notice, say } from "./dialogs.js";
import { badge, choice, field, h, show, table } from "./dom.js";
import { mayDo } from "./rights.js";
import { many, moment } from "./words.js";

const DAY = 86400;
const TTLS = [
  [DAY / 24, "1 hour"],
  [DAY, "1 day"],
  [7 * DAY, "7 days"],
  [30 * DAY, "30 days"],
  [90 * DAY, "90 days"],
  [365 * DAY, "1 year"],
];
const STATES = { valid: "good", expired: "quiet", revoked: "bad" };

export async function open(main, _, lab) {
  const { session } = lab;
  const rows = h("div", null);
  const tally = h("p", { class: "quiet", role: "status" });
  const find = h("input", {
    type: "search",
    placeholder: "Subject, group or id",
    "aria-label": "Filter tokens",
    "data-search": true,
  });
  const ended = h("input", { type: "checkbox" });
  let tokens = [];
  show(
    main,
    h(
      "div",
      { class: "page" },
      h(
        "div",
        { class: "heading" },
        h("h1", null, "Tokens"),
        find,
        h("label", { class: "check" }, ended, "those that ended, too"),
        h("button", { type: "button", class: "primary", onclick: create }, "Make a token"),
      ),
      h(
        "p",
        { class: "lead" },
        "Those that this gate has made. A token itself is shown once, when it is made; a revoked one stops working within a second.",
      ),
      tally,
      rows,
    ),
  );

  async function look() {
    ({ tokens } = await session.json("-/tokens"));
    draw();
  }

  function draw() {
    const wanted = find.value.toLowerCase();
    const found = tokens
      .filter((one) => ended.checked || one.state === "valid")
      .filter((one) =>
        [one.subject, one.id, ...one.groups, ...one.scopes].some((text) => text.toLowerCase().includes(wanted)),
      )
      .reverse();
    show(tally, `${many(found.length, "token")} of ${tokens.length}`);
    show(
      rows,
      table(
        "Tokens",
        ["Id", "Subject", "Groups", "Scopes", "Kind", "Made", "Until", "Used last", "State", ""],
        found.slice(0, 500).map((one) => [
          h("code", { title: one.id }, one.id.slice(0, 12)),
          one.subject,
          one.groups.join(", "),
          one.scopes.join(", "),
          one.kind,
          moment(one.created),
          moment(one.expires),
          moment(one.last_used),
          badge(one.state, STATES[one.state]),
          h(
            "div",
            { class: "buttons start nowrap" },
            h(
              "button",
              { type: "button", "aria-label": `What the token of ${one.subject} may do`, onclick: () => rights(one) },
              "May do",
            ),
            one.state === "valid" &&
              h(
                "button",
                {
                  type: "button",
                  class: "danger",
                  "aria-label": `Revoke the token of ${one.subject}`,
                  onclick: () => revoke(one),
                },
                "Revoke",
              ),
          ),
        ]),
      ),
    );
  }

  async function rights(one) {
    notice(`What a token of ${one.subject} may do`, await mayDo(session, one));
  }

  async function revoke(one) {
    const words = h(
      "p",
      null,
      `The token ${one.id.slice(0, 12)} of ${one.subject} stops working within a second, on every worker. It cannot be given back.`,
    );
    if (!(await confirm("Revoke this token?", words, "Revoke"))) return;
    await session.json("-/tokens/revoke", { json: { id: one.id } });
    say("Revoked.");
    await look();
  }

  async function create() {
    const subject = h("input", { autocomplete: "off", spellcheck: "false" });
    const groups = h("input", { autocomplete: "off", spellcheck: "false" });
    const scopes = h("input", { autocomplete: "off", spellcheck: "false" });
    const ttl = choice(
      TTLS.map(([value, text]) => [String(value), text]),
      String(30 * DAY),
    );
    const opaque = choice(
      [
        ["", "a signed token"],
        ["1", "a key, for programs: short, and says nothing of itself"],
      ],
      "",
    );
    const list = (box) =>
      box.value
        .split(",")
        .map((one) => one.trim())
        .filter(Boolean);
    const body = [
      field("Subject", subject, "Whom it speaks for."),
      field("Groups", groups, "With commas between; what they may do is said by policies."),
      field("Scopes", scopes, "With commas between."),
      field("Holds for", ttl),
      field("Kind", opaque),
    ];
    const wish = await form("Make a token", body, "Make it", () => {
      if (!subject.value.trim()) throw new Error("Say whom it speaks for.");
      return {
        subject: subject.value.trim(),
        groups: list(groups),
        scopes: list(scopes),
        ttl: Number(ttl.value),
        opaque: opaque.value === "1",
      };
    });
    if (!wish) return;
    const made = await session.json("-/tokens", { json: wish });
    await look();
    const text = h("pre", { class: "secret", tabindex: "0" }, made.token);
    await notice(
      `The token of ${made.subject}`,
      h("p", null, "It is shown this once: whoever has it is let in as them."),
      text,
      h(
        "div",
        { class: "buttons start" },
        h("button", { type: "button", class: "primary", onclick: () => copy(made.token) }, "Copy"),
      ),
    );
    show(text);
  }

  find.addEventListener("input", draw);
  ended.addEventListener("change", draw);
  await look();
  return { keys: [["n", "make a token", create]] };
}
