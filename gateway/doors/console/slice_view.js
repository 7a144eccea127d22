// How does a volume look inside? Three planes through one point, in true proportions, as sharp as the screen has room for.

import { choice, field, h, show } from "./dom.js";
import { limits } from "./picture.js";
import { SlicePlane } from "./slice_plane.js";
import { Tiles } from "./tiles.js";

const PLANES = [
  ["z", "across", 1, 2],
  ["y", "from the front", 0, 2],
  ["x", "from the side", 0, 1],
];

export class SliceView {
  #tiles;
  #planes;
  #point;
  #zoom;
  #look;
  #drawing = 0;
  #sliders;
  #said = h("output", { class: "quiet" });
  #trouble = h("p", { class: "trouble", role: "alert", hidden: true });
  #low = h("input", { type: "number", step: "any", "aria-label": "Black" });
  #high = h("input", { type: "number", step: "any", "aria-label": "White" });

  constructor(session, method, volume, query) {
    this.volume = volume;
    const { shape, offset, resolution, dtype, type } = volume;
    const middle = shape.slice(0, 3).map((one, at) => offset[at] + Math.floor(one / 2));
    const asked = (query.get("at") ?? "").split(",").map(Number);
    this.#point =
      asked.length === 3 && asked.every(Number.isFinite)
        ? asked.map((one, at) => Math.max(offset[at], Math.min(offset[at] + shape[at] - 1, one)))
        : middle;
    const finest = Math.min(...(resolution ?? [1, 1, 1]));
    this.aspect = (resolution ?? [1, 1, 1]).map((one) => one / finest);
    this.#look = {
      labels: /label/.test(type) || dtype === "uint64",
      low: null,
      high: null,
      channels: volume.channels ?? 1,
    };
    this.#tiles = new Tiles(
      session,
      method,
      volume,
      () => this.draw(),
      (error) => this.#fail(error),
    );
    this.#planes = PLANES.map(
      ([name, title, down, across], axis) => new SlicePlane(this, this.#tiles, { name, title, axis, down, across }),
    );
    this.#zoom = Math.min(3, 380 / (shape[2] * this.aspect[2]), 380 / (shape[1] * this.aspect[1]));
    this.#sliders = ["z", "y", "x"].map((name, axis) => {
      const slider = h("input", {
        type: "range",
        min: offset[axis],
        max: offset[axis] + shape[axis] - 1,
        value: this.#point[axis],
      });
      slider.addEventListener("input", () => this.move(axis, Number(slider.value)));
      return slider;
    });
    this.element = h(
      "section",
      { class: "slices", "aria-label": "Planes" },
      this.#controls(),
      this.#trouble,
      h(
        "div",
        { class: "planes" },
        this.#planes.map((one) => one.element),
      ),
      this.#said,
    );
    this.#watch = new ResizeObserver(() => this.draw());
    this.#watch.observe(this.element);
  }

  #watch;

  /** Where the planes meet: z, y, x in voxels of the finest scale. */
  get point() {
    return this.#point;
  }

  /** Pixels of the screen for the shortest side of a voxel. */
  get zoom() {
    return this.#zoom;
  }

  /** How numbers become colours. */
  get look() {
    return this.#look;
  }

  /** Go on to another plane of an axis. */
  move(axis, value) {
    const { offset, shape } = this.volume;
    this.#point[axis] = Math.max(offset[axis], Math.min(offset[axis] + shape[axis] - 1, Math.round(value)));
    this.#sliders[axis].value = this.#point[axis];
    this.draw();
  }

  /** Come nearer, or go away, around the point. */
  closer(factor) {
    this.#zoom = Math.max(0.02, Math.min(32, this.#zoom * factor));
    this.draw();
  }

  /** Draw again, when the browser draws. */
  draw() {
    if (this.#drawing) return;
    this.#drawing = requestAnimationFrame(() => {
      this.#drawing = 0;
      this.#draw();
    });
  }

  #draw() {
    if (this.#look.low === null) this.#guess();
    for (const one of this.#planes) one.draw();
    const [z, y, x] = this.#point;
    const value = this.#planes[0].value();
    const scale = this.#planes[0].scale.scale;
    show(
      this.#said,
      `z ${z}, y ${y}, x ${x}${value === null ? "" : `: ${value}`} · scale ${scale}${this.#tiles.busy ? " · reading …" : ""}`,
    );
    this.element.dataset.ready = String(!this.#tiles.busy);
  }

  /** Limits of grey, from the first tile that has come. */
  #guess() {
    const tile = this.#planes.map((one) => one.first()).find(Boolean);
    if (!tile) return;
    [this.#look.low, this.#look.high] = limits(tile.data, tile.descr);
    this.#low.value = this.#look.low;
    this.#high.value = this.#look.high;
  }

  #controls() {
    const kind = choice(
      [
        ["grey", "grey"],
        ["labels", "label colours"],
      ],
      this.#look.labels ? "labels" : "grey",
      (value) => {
        this.#look.labels = value === "labels";
        contrast.hidden = this.#look.labels;
        this.draw();
      },
    );
    const set = () => {
      if (this.#low.value !== "" && this.#high.value !== "")
        [this.#look.low, this.#look.high] = [Number(this.#low.value), Number(this.#high.value)];
      this.draw();
    };
    this.#low.addEventListener("input", set);
    this.#high.addEventListener("input", set);
    const contrast = h(
      "div",
      { class: "row tight" },
      h("span", { class: "quiet" }, "black"),
      this.#low,
      h("span", { class: "quiet" }, "white"),
      this.#high,
      h("button", { type: "button", onclick: () => ((this.#look.low = null), this.draw()) }, "Auto"),
    );
    contrast.hidden = this.#look.labels;
    const whole = /int/.test(this.volume.dtype) && this.#look.channels === 1;
    return h(
      "div",
      { class: "row" },
      this.#sliders.map((one, axis) => field(["z", "y", "x"][axis], one)),
      h(
        "div",
        { class: "row tight" },
        h("button", { type: "button", "aria-label": "Nearer", onclick: () => this.closer(1.5) }, "+"),
        h("button", { type: "button", "aria-label": "Farther away", onclick: () => this.closer(1 / 1.5) }, "−"),
      ),
      whole && field("Drawn as", kind),
      this.#look.channels === 1 && contrast,
    );
  }

  #fail(error) {
    this.#trouble.hidden = false;
    const again = h(
      "button",
      { type: "button", onclick: () => ((this.#trouble.hidden = true), this.#tiles.again()) },
      "Try again",
    );
    show(this.#trouble, error.message, " ", again);
    this.draw();
  }

  /** Ask for nothing more. */
  end() {
    this.#watch.disconnect();
    cancelAnimationFrame(this.#drawing);
    this.#tiles.end();
  }
}
