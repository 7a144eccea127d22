// What does an array look like? One plane of it, with what is known of the whole.

import { choice, facts, field, h, show } from "./dom.js";
import { dtypeName, range } from "./npy.js";
import { limits, paint } from "./picture.js";
import { bytes, count } from "./words.js";

const MOST_NUMBERS = 400;

/** The array as a picture, or, where it has one axis or few numbers, as its numbers. */
export function arrayView(array) {
  const { descr, shape, data } = array;
  const found = range(data);
  const known = facts([
    ["Shape", shape.join(" × ") || "a single number"],
    ["Type", dtypeName(descr)],
    ["Size", bytes(data.byteLength)],
    ["Range", found && `${found[0]} … ${found[1]}`],
  ]);
  const planes = shape.length >= 2 && shape.at(-1) > 1 && shape.at(-2) > 1 && data.length > 16;
  return h("div", { class: "array" }, known, planes && !array.fortran ? picture(array) : numbers(data));
}

function numbers(data) {
  const shown = Array.from(data.subarray(0, MOST_NUMBERS), String).join("  ");
  const more = data.length > MOST_NUMBERS ? ` … and ${count(data.length - MOST_NUMBERS)} more` : "";
  return h("pre", { tabindex: "0" }, shown + more);
}

function picture({ descr, shape, data }) {
  const [height, width] = shape.slice(-2);
  const planes = data.length / (width * height);
  const canvas = h("canvas", { width, height, role: "img", "aria-label": `A plane of ${width} by ${height}` });
  const isWhole = /[iu]/.test(descr[1]);
  const look = { labels: descr.endsWith("8") && isWhole };
  const at = h("input", { type: "range", min: 0, max: planes - 1, value: Math.floor(planes / 2) });
  const said = h("output", { class: "quiet" });
  const kind = choice(
    [
      ["grey", "grey"],
      ["labels", "label colours"],
    ],
    look.labels ? "labels" : "grey",
    (value) => {
      look.labels = value === "labels";
      draw();
    },
  );
  canvas.style.setProperty("width", `min(100%, ${Math.max(width, Math.min(4 * width, 480))}px)`);
  function draw() {
    const plane = Number(at.value);
    const part = data.subarray(plane * width * height, (plane + 1) * width * height);
    [look.low, look.high] = limits(part, descr);
    const context = canvas.getContext("2d");
    context.putImageData(paint(context.createImageData(width, height), part, look), 0, 0);
    show(said, `${plane + 1} of ${planes}`);
  }
  at.addEventListener("input", draw);
  draw();
  return [
    h("div", { class: "row" }, planes > 1 && [field("Plane", at), said], isWhole && field("Drawn as", kind)),
    h("div", { class: "canvas" }, canvas),
  ];
}
