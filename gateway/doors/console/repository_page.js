// What is in a repository? Its versions as a graph, and the data of the one that is chosen.

import { dag } from "./dag.js";
import { badge, facts, h, show } from "./dom.js";
import { newVolume } from "./new_volume.js";
import { go, to } from "./route.js";
import { Slots } from "./slots.js";
import { many, moment } from "./words.js";

export async function repositoryPage(context, service, root, wanted) {
  const repo = await context.session.call(`${service}.repo`, { repo: root });
  const isNew = context.mode === "new";
  const newest = [...repo.nodes].sort((one, other) => other.version - one.version);
  const fits = (one) => one && !(isNew && one.locked);
  const named = (uuid) => repo.nodes.find((one) => one.uuid === uuid);
  const node = [named(wanted), named(repo.branches?.master), newest.find(fits)].find(fits) ?? null;
  const query = { mode: isNew ? "new" : null };
  const choose = (uuid) => go("contents", ["repositories", service, root, uuid], query);
  const element = h(
    "article",
    { class: "method" },
    h("h2", null, repo.alias || root.slice(0, 8)),
    h("p", { class: "summary" }, repo.description || ""),
    facts([
      ["Root", h("code", null, repo.root)],
      [
        "Versions",
        `${repo.nodes.length}, ${many(repo.nodes.filter((one) => !one.locked).length, "is", "are")} open for writing`,
      ],
      [
        "Branches",
        Object.entries(repo.branches ?? {}).map(([name, uuid]) =>
          h("div", null, `${name} is at `, h("code", null, uuid.slice(0, 8))),
        ),
      ],
    ]),
    h("h3", null, isNew ? "Versions: choose an open one to write into" : "Versions"),
    dag(repo.nodes, node?.uuid, choose, isNew),
    node
      ? [
          h("h3", null, `Version ${node.uuid.slice(0, 8)}`),
          about(node, repo),
          isNew ? newVolume(context, service, repo, node) : instances(context, service, root, node, repo),
        ]
      : h("p", { class: "notice" }, "No version is open for writing: begin one with newversion or branch."),
  );
  return { element };
}

function about(node, repo) {
  const name = (uuid) => {
    const found = repo.nodes.find((one) => one.uuid === uuid);
    return `${uuid.slice(0, 8)}${found?.branch ? ` (${found.branch})` : ""}`;
  };
  return facts([
    ["UUID", h("code", null, node.uuid)],
    ["Branch", node.branch || "–"],
    ["Note", node.note],
    ["State", node.locked ? badge("locked: it never changes") : badge("open for writing", "good")],
    ["Made", moment(node.created)],
    ["Changed", moment(node.updated)],
    ["Parents", node.parents.map(name).join(", ") || "none: it is the first"],
    ["Children", node.children.map(name).join(", ") || "none"],
    [
      "Log",
      node.log?.length
        ? h("details", null, h("summary", null, many(node.log.length, "line")), h("pre", null, node.log.join("\n")))
        : null,
    ],
  ]);
}

const HEADS = ["Name", "Type", "Shape", "Axes", "Voxel", "Pixels", "Block", "Versioned", "Tags"];

function instances(context, service, root, node, repo) {
  const slots = new Slots(4);
  const rows = repo.instances.map((one) => {
    const cells = { shape: h("td", null), axes: h("td", null), voxel: h("td", null) };
    const link = to("contents", ["repositories", service, root, node.uuid, one.name]);
    if (one.dtype) {
      slots.run(async () => {
        try {
          const volume = await context.session.call(`${service}.volume`, { node: node.uuid, instance: one.name });
          show(cells.shape, volume.shape.join(" × "));
          show(cells.axes, volume.axes.join(" "));
          show(cells.voxel, voxelText(volume));
        } catch (error) {
          show(cells.shape, h("span", { class: "quiet", title: error.message }, "not told"));
        }
      });
    }
    const tags = Object.entries(one.tags ?? {}).map(
      ([key, value]) => `${key}: ${typeof value === "string" ? value : JSON.stringify(value)}`,
    );
    return h(
      "tr",
      null,
      h("th", { scope: "row" }, h("a", { href: link }, one.name)),
      h("td", null, one.type),
      cells.shape,
      cells.axes,
      cells.voxel,
      h("td", null, one.dtype ? `${one.dtype}${one.channels > 1 ? ` × ${one.channels}` : ""}` : ""),
      h("td", null, one.block_shape?.join(" × ") ?? ""),
      h("td", null, one.versioned ? "yes" : "no"),
      h("td", null, tags.join(", ")),
    );
  });
  return [
    h("h3", null, "Data"),
    rows.length
      ? h(
          "div",
          { class: "scroll", tabindex: "0", role: "region", "aria-label": "Data of the version" },
          h(
            "table",
            { class: "rows" },
            h(
              "thead",
              null,
              h(
                "tr",
                null,
                HEADS.map((one) => h("th", { scope: "col" }, one)),
              ),
            ),
            h("tbody", null, rows),
          ),
        )
      : h("p", { class: "quiet" }, "It holds no data yet."),
  ];
}

/** "8 × 8 × 8 nm": how large a voxel is. */
export function voxelText({ resolution, units }) {
  if (!resolution) return "–";
  const short = { nanometers: "nm", nanometer: "nm", micrometers: "µm", micrometer: "µm" };
  const names = [...new Set((units ?? []).map((one) => short[one] ?? one))];
  const sizes = resolution.map((one) => Number(one.toPrecision(6)));
  return names.length === 1
    ? `${sizes.join(" × ")} ${names[0]}`
    : sizes.map((one, at) => `${one} ${short[units?.[at]] ?? units?.[at] ?? ""}`).join(" × ");
}
