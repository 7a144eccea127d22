// What is a volume? What is known of it, its planes, and how a box of it is had.

import { copy, say } from "./dialogs.js";
import { badge, choice, facts, field, h, show } from "./dom.js";
import { urlOf } from "./new_volume.js";
import { voxelText } from "./repository_page.js";
import { to } from "./route.js";
import { callPath, read, Refused } from "./session.js";
import { SliceView } from "./slice_view.js";
import { connecting, reachable } from "./snippets.js";
import { bytes, count } from "./words.js";

const SIZES = {
  uint8: 1,
  int8: 1,
  bool: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  float32: 4,
  uint64: 8,
  int64: 8,
  float64: 8,
};
const MOST = 512 << 20;

export async function volumePage(context, service, node, instance, query) {
  const { session } = context;
  const volume = await session.call(`${service}.volume`, { node, instance });
  const readable = `${service}.${context.catalog.byName.get(`${service}.volume`).extra.volume?.read ?? "read"}`;
  const view = new SliceView(session, readable, volume, query);
  const url = urlOf(context, service, node, instance);
  const repository = context.catalog.byName.has(`${service}.node`)
    ? await session.call(`${service}.node`, { node }).catch(() => null)
    : null;
  const element = h(
    "article",
    { class: "method wide" },
    h("h2", null, instance),
    h(
      "p",
      { class: "badges" },
      badge(volume.type, "info"),
      volume.locked ? badge("locked: it never changes") : badge("open for writing", "good"),
      !volume.versioned && badge("not versioned", "warn"),
      repository &&
        h(
          "a",
          { href: to("contents", ["repositories", service, repository.repo, node]) },
          `version ${node.slice(0, 8)} of ${repository.alias || repository.repo.slice(0, 8)}`,
        ),
    ),
    view.element,
    h("h3", null, "What it is"),
    facts([
      ["Shape", `${volume.shape.join(" × ")} voxels (${volume.axes.join(", ")})`],
      ["Begins at", volume.offset.some(Boolean) ? volume.offset.join(", ") : null],
      ["Pixel type", `${volume.dtype}${volume.channels > 1 ? `, ${volume.channels} channels` : ""}`],
      ["Voxel size", voxelText(volume)],
      ["Blocks", volume.block_shape?.join(" × ")],
      [
        "Scales",
        volume.scales?.map((one) =>
          h("div", null, `${one.scale}: ${one.shape.join(" × ")}, ${voxelText({ ...one, units: volume.units })}`),
        ),
      ],
      ["Whole size", bytes(sizeOf(volume, volume.shape))],
    ]),
    h("h3", null, "Take a box of it"),
    box(context, service, node, instance, volume, readable),
    h("h3", null, "Where it is"),
    h(
      "div",
      { class: "row" },
      h("code", { class: "grow", id: "volume-url" }, url),
      h("button", { type: "button", onclick: () => copy(url) }, "Copy the address"),
    ),
  );
  return { element, leave: () => view.end() };
}

function sizeOf(volume, shape) {
  return shape.reduce((product, one) => product * one, (SIZES[volume.dtype] ?? 1) * (volume.channels ?? 1));
}

function box(context, service, node, instance, volume, readable) {
  const { session } = context;
  const scales = volume.scales?.length ? volume.scales : [{ scale: 0, shape: volume.shape, offset: volume.offset }];
  const scale = choice(
    scales.map((one) => [String(one.scale), `${one.scale}: ${one.shape.join(" × ")}`]),
    "0",
    () => fill(),
  );
  const inputs = volume.axes.slice(0, 3).map(() => [0, 0].map(() => h("input", { type: "number", step: 1 })));
  const estimate = h("p", { class: "quiet", role: "status" });
  const snippet = h("pre", { tabindex: "0", class: "snippet" });
  const save = h("button", { type: "button", class: "primary" }, "Save as a numpy file");
  const out = h("div", { "aria-live": "polite" });

  function fill() {
    const { shape, offset } = scales.find((one) => String(one.scale) === scale.value);
    inputs.forEach(([from, until], at) => {
      from.value = offset[at];
      until.value = offset[at] + Math.min(shape[at], at === 0 ? 64 : 256);
    });
    draw();
  }

  function corners() {
    return [
      inputs.map(([from]) => Math.trunc(Number(from.value))),
      inputs.map(([, until]) => Math.trunc(Number(until.value))),
    ];
  }

  function draw() {
    const [start, stop] = corners();
    const shape = stop.map((one, at) => one - start[at]);
    const fits = shape.every((one) => one > 0);
    const size = fits ? sizeOf(volume, shape) : 0;
    show(
      estimate,
      fits
        ? `${shape.join(" × ")} voxels, ${bytes(size)}${size > MOST ? ": too much for a browser, use the snippet" : ""}`
        : "Each corner is before the one behind the last voxel.",
    );
    save.disabled = !fits || size > MOST;
    const places = start.map((one, at) => `${one}:${stop[at]}`).join(", ");
    const more = scale.value === "0" ? "" : `.at(scale=${scale.value})`;
    show(
      snippet,
      `${connecting(reachable(session.about.address), "")}volume = lab.${service}.volume(${JSON.stringify(node)}, ${JSON.stringify(instance)})${more}\nvolume[${places}]\n`,
    );
  }

  save.addEventListener("click", async () => {
    const [start, stop] = corners();
    show(out, h("p", { class: "quiet" }, "Reading …"));
    try {
      const json = { node, instance, start, stop, scale: Number(scale.value) };
      const answer = await session.ask(callPath(readable, { format: "npy" }), { json });
      if (!answer.ok) throw new Refused(answer.status, await read(answer), answer);
      const blob = await answer.blob();
      const link = URL.createObjectURL(new Blob([blob], { type: "application/octet-stream" }));
      h("a", { href: link, download: `${instance}-${start.join("_")}.npy` }).click();
      setTimeout(() => URL.revokeObjectURL(link), 60000);
      show(out);
      say(`${count(blob.size)} bytes were read.`);
    } catch (error) {
      show(out, h("p", { class: "trouble", role: "alert" }, error.message));
    }
  });

  const names = volume.axes.slice(0, 3);
  const element = h(
    "div",
    { class: "card flat" },
    h(
      "div",
      { class: "form" },
      scales.length > 1 && field("Scale", scale),
      inputs.map(([from, until], at) =>
        h(
          "fieldset",
          { class: "pair" },
          h("legend", null, names[at]),
          withLabel(from, `${names[at]} from`),
          "to",
          withLabel(until, `${names[at]} to`),
        ),
      ),
    ),
    estimate,
    snippet,
    out,
    h(
      "div",
      { class: "buttons start" },
      save,
      h("button", { type: "button", onclick: () => copy(snippet.textContent) }, "Copy the snippet"),
    ),
  );
  element.addEventListener("input", draw);
  fill();
  return element;
}

function withLabel(input, label) {
  input.setAttribute("aria-label", label);
  return input;
}
