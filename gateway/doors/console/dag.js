// How are versions drawn? Newest first, a column for each branch, a line from each version to its parents.

import { badge, h, svg } from "./dom.js";
import { moment } from "./words.js";

const ROW = 46;
const LANE = 20;
const MOST = 300;

/** The versions of a repository as a list beside its graph. `choose` is told which one; `open` = only open ones can be chosen. */
export function dag(nodes, chosen, choose, onlyOpen) {
  const ordered = [...nodes].sort((one, other) => other.version - one.version);
  const shown = ordered.slice(0, MOST);
  const lanes = new Map();
  for (const node of [...ordered].reverse()) if (!lanes.has(node.branch)) lanes.set(node.branch, lanes.size);
  const at = new Map(shown.map((node, row) => [node.uuid, { row, lane: lanes.get(node.branch) }]));
  const width = LANE * (Math.min(lanes.size, 12) + 0.5);
  const x = (lane) => LANE * (Math.min(lane, 11) + 0.75);
  const y = (row) => ROW * (row + 0.5);
  const lines = shown.flatMap((node) =>
    node.parents.map((parent, number) => {
      const [child, from] = [at.get(node.uuid), at.get(parent)];
      if (!from)
        return svg("path", { d: `M${x(child.lane)} ${y(child.row)}V${ROW * shown.length}`, class: "dag-line" });
      return svg("path", { d: way(child, from, number > 0), class: "dag-line" });
    }),
  );
  // A branch keeps to its own column until it began; what was merged in keeps to the column that it came from.
  function way(child, from, isMerged) {
    const [top, bottom, left, right] = [y(child.row), y(from.row), x(child.lane), x(from.lane)];
    const bend = (begin, end) => `C${left} ${(begin + end) / 2} ${right} ${(begin + end) / 2} ${right} ${end}`;
    if (isMerged) return `M${left} ${top}${bend(top, top + ROW)}V${bottom}`;
    return `M${left} ${top}V${bottom - ROW}${bend(bottom - ROW, bottom)}`;
  }
  const dots = shown.map((node) => {
    const { row, lane } = at.get(node.uuid);
    return svg("circle", {
      cx: x(lane),
      cy: y(row),
      r: 6,
      class: `dag-dot ${node.locked ? "locked" : "open"} ${node.uuid === chosen ? "chosen" : ""}`,
    });
  });
  const graph = svg(
    "svg",
    { width, height: ROW * shown.length, "aria-hidden": "true", class: "dag-graph" },
    lines,
    dots,
  );
  const rows = shown.map((node) =>
    h(
      "button",
      {
        type: "button",
        class: `dag-row ${node.locked ? "locked" : "open"}`,
        "aria-pressed": String(node.uuid === chosen),
        disabled: onlyOpen && node.locked,
        style: { height: `${ROW}px` },
        onclick: () => choose(node.uuid),
      },
      h(
        "span",
        { class: "dag-head" },
        h("code", null, node.uuid.slice(0, 8)),
        h("strong", null, node.branch || "–"),
        node.locked ? badge("locked") : badge("open for writing", "good"),
      ),
      h("span", { class: "quiet cut" }, `${moment(node.created)} · ${node.note || "no note"}`),
    ),
  );
  const list = h("div", { class: "dag-rows" }, rows);
  list.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const next = step && rows[rows.indexOf(document.activeElement) + step];
    if (next) {
      event.preventDefault();
      next.focus();
    }
  });
  return [
    h("div", { class: "dag", role: "group", "aria-label": "Versions, newest first" }, graph, list),
    ordered.length > MOST && h("p", { class: "notice" }, `The newest ${MOST} of ${ordered.length} versions are shown.`),
  ];
}
