// Panel: who changed what, and who was refused?

import { badge, choice, h, show, table } from "./dom.js";
import { tree } from "./json_view.js";
import { notice } from "./dialogs.js";
import { poll } from "./polling.js";
import { many, milliseconds, moment } from "./words.js";

const EVERY = 5000;

export async function open(main, _, lab) {
  const rows = h("div", null);
  const tally = h("p", { class: "quiet", role: "status" });
  const find = h("input", {
    type: "search",
    placeholder: "Who, what or from where",
    "aria-label": "Filter records",
    "data-search": true,
  });
  const kind = choice(
    [
      ["", "writes and refusals"],
      ["write", "writes"],
      ["refusal", "refusals"],
    ],
    "",
    draw,
  );
  const limit = choice(
    [
      ["100", "last 100"],
      ["500", "last 500"],
      ["2000", "last 2000"],
    ],
    "100",
    look,
  );
  kind.setAttribute("aria-label", "Which kind");
  limit.setAttribute("aria-label", "How many");
  let records = [];
  let drawn = "";
  show(
    main,
    h(
      "div",
      { class: "page" },
      h("div", { class: "heading" }, h("h1", null, "Audit"), find, kind, limit),
      h("p", { class: "lead" }, "Every write at its end, and every refusal, newest first, from this host's audit log."),
      tally,
      rows,
    ),
  );

  async function look() {
    const said = await lab.session.json(`-/audit?limit=${limit.value}`);
    records = said.records;
    if (said.why_none) show(tally, said.why_none);
    const newest = JSON.stringify([records[0], records.length]);
    if (newest !== drawn) {
      drawn = newest;
      draw(said.why_none);
    }
  }

  function draw(why) {
    const wanted = find.value.toLowerCase();
    const found = records
      .filter((one) => !kind.value || one.kind === kind.value)
      .filter((one) => !wanted || JSON.stringify(one).toLowerCase().includes(wanted));
    if (typeof why !== "string") show(tally, many(found.length, "record"));
    show(
      rows,
      found.length > 0 &&
        table(
          "Audit records",
          ["When", "Kind", "Who", "What", "Outcome", "From", "Took", ""],
          found.map((one) => [
            moment(one.time),
            badge(one.kind, one.kind === "refusal" ? "bad" : "info"),
            one.subject ?? "–",
            h("code", null, one.method ?? one.request ?? ""),
            badge(one.outcome ?? `${one.records ?? ""} lost`, one.outcome === "ok" ? "good" : "warn"),
            one.client ?? "",
            one.ms === undefined ? "" : milliseconds(one.ms),
            h(
              "button",
              {
                type: "button",
                "aria-label": `All of the record ${one.request_id ?? ""}`,
                onclick: () => notice("The whole record", tree(one)),
              },
              "All",
            ),
          ]),
          [6],
        ),
    );
  }

  find.addEventListener("input", draw);
  await look();
  return { leave: poll(EVERY, look) };
}
