// What is seen of one plane? The tiles of the scale that fits, around the point, with lines where the other planes cross it.

import { h } from "./dom.js";
import { paint } from "./picture.js";
import { TILE } from "./tiles.js";

const SIZE = 380;

export class SlicePlane {
  #view;
  #tiles;
  #canvas;
  #painted = new WeakMap();
  #axes;
  #drag = null;

  /** `axis` is the one that it is across; `down` and `across` are those that are seen. */
  constructor(view, tiles, { name, title, axis, down, across }) {
    this.#view = view;
    this.#tiles = tiles;
    this.#axes = { axis, down, across };
    this.#canvas = h("canvas", {
      width: SIZE,
      height: SIZE,
      tabindex: "0",
      role: "img",
      "aria-label": `The plane across ${name}, ${title}`,
    });
    this.scale = view.volume.scales?.[0] ?? {
      scale: 0,
      shape: view.volume.shape,
      offset: view.volume.offset,
      resolution: view.volume.resolution,
    };
    this.element = h("figure", { class: "plane" }, this.#canvas, h("figcaption", { class: "quiet" }, `across ${name}`));
    this.#listen();
  }

  #listen() {
    const canvas = this.#canvas;
    const { axis, down, across } = this.#axes;
    canvas.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        const step = Math.sign(event.deltaY) || 0;
        if (event.ctrlKey || event.metaKey) this.#view.closer(step < 0 ? 1.2 : 1 / 1.2);
        else this.#view.move(axis, this.#view.point[axis] + step * (event.shiftKey ? 10 : 1));
      },
      { passive: false },
    );
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.#drag = { x: event.offsetX, y: event.offsetY, point: [...this.#view.point], moved: false };
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.#drag) return;
      const [right, below] = [event.offsetX - this.#drag.x, event.offsetY - this.#drag.y];
      if (Math.hypot(right, below) > 3) this.#drag.moved = true;
      if (!this.#drag.moved) return;
      this.#view.move(across, this.#drag.point[across] - right / this.#pixels(across));
      this.#view.move(down, this.#drag.point[down] - below / this.#pixels(down));
    });
    canvas.addEventListener("pointerup", (event) => {
      if (this.#drag && !this.#drag.moved) {
        this.#view.move(
          across,
          this.#view.point[across] + (event.offsetX - canvas.clientWidth / 2) / this.#pixels(across),
        );
        this.#view.move(down, this.#view.point[down] + (event.offsetY - canvas.clientHeight / 2) / this.#pixels(down));
      }
      this.#drag = null;
    });
    canvas.addEventListener("keydown", (event) => {
      const far = event.shiftKey ? 10 : 1;
      const moves = {
        ArrowLeft: [across, -far],
        ArrowRight: [across, far],
        ArrowUp: [down, -far],
        ArrowDown: [down, far],
        n: [axis, far],
        p: [axis, -far],
        PageDown: [axis, 10],
        PageUp: [axis, -10],
      };
      if (moves[event.key])
        this.#view.move(moves[event.key][0], this.#view.point[moves[event.key][0]] + moves[event.key][1]);
      else if (event.key === "+") this.#view.closer(1.5);
      else if (event.key === "-") this.#view.closer(1 / 1.5);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  /** Pixels of the screen for one voxel of the finest scale along an axis. */
  #pixels(axis) {
    return this.#view.zoom * this.#view.aspect[axis];
  }

  /** The coarsest scale whose voxels are not larger than a pixel and a half. */
  #choose() {
    const { scales, resolution } = this.#view.volume;
    if (!scales?.length) return this.scale;
    const { down, across } = this.#axes;
    const fits = scales.filter((one) =>
      [down, across].every((axis) => this.#pixels(axis) * (one.resolution[axis] / resolution[axis]) <= 1.5),
    );
    return fits.at(-1) ?? scales[0];
  }

  #factor(axis) {
    const { resolution } = this.#view.volume;
    return this.scale.resolution ? this.scale.resolution[axis] / resolution[axis] : 1;
  }

  /** The tiles in sight: keys, corners, and where they are drawn; the nearest to the middle first. */
  #inSight() {
    const { axis, down, across } = this.#axes;
    const { shape, offset, scale } = this.scale;
    const point = this.#view.point;
    const slice = Math.max(
      offset[axis],
      Math.min(offset[axis] + shape[axis] - 1, Math.floor(point[axis] / this.#factor(axis))),
    );
    const range = (at, length) => {
      const pixels = this.#pixels(at) * this.#factor(at);
      const middle = (point[at] + 0.5) / this.#factor(at);
      const [low, high] = [middle - length / 2 / pixels, middle + length / 2 / pixels];
      const first = Math.floor((Math.max(low, offset[at]) - offset[at]) / TILE);
      const last = Math.floor((Math.min(high, offset[at] + shape[at] - 1e-6) - offset[at]) / TILE);
      return { pixels, middle, first, last };
    };
    const [rows, columns] = [range(down, this.#canvas.height), range(across, this.#canvas.width)];
    const found = [];
    for (let row = rows.first; row <= rows.last; row += 1) {
      for (let column = columns.first; column <= columns.last; column += 1) {
        const [start, stop] = [[], []];
        for (const [at, index] of [
          [down, row],
          [across, column],
        ]) {
          start[at] = offset[at] + index * TILE;
          stop[at] = Math.min(offset[at] + shape[at], start[at] + TILE);
        }
        [start[axis], stop[axis]] = [slice, slice + 1];
        const x = this.#canvas.width / 2 + (start[across] - columns.middle) * columns.pixels;
        const y = this.#canvas.height / 2 + (start[down] - rows.middle) * rows.pixels;
        const [width, height] = [
          (stop[across] - start[across]) * columns.pixels,
          (stop[down] - start[down]) * rows.pixels,
        ];
        const away = Math.hypot(x + width / 2 - this.#canvas.width / 2, y + height / 2 - this.#canvas.height / 2);
        found.push({
          key: `${axis} ${scale} ${slice} ${row} ${column}`,
          start,
          stop,
          scale,
          x,
          y,
          width,
          height,
          away,
        });
      }
    }
    return found.sort((one, other) => one.away - other.away);
  }

  /** Draw what is at hand, and ask for the rest. */
  draw() {
    const canvas = this.#canvas;
    const wide = canvas.clientWidth || SIZE;
    if (canvas.width !== wide) [canvas.width, canvas.height] = [wide, wide];
    this.scale = this.#choose();
    const tiles = this.#inSight();
    this.#tiles.want(this, tiles);
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.fillStyle = "#000";
    context.fillRect(0, 0, canvas.width, canvas.height);
    for (const one of tiles) {
      const tile = this.#tiles.get(one.key);
      if (tile && this.#view.look.low !== null)
        context.drawImage(this.#image(tile, one), one.x, one.y, one.width, one.height);
    }
    context.strokeStyle = "rgb(255 214 10 / 65%)";
    context.lineWidth = 1;
    const [x, y] = [Math.round(canvas.width / 2) + 0.5, Math.round(canvas.height / 2) + 0.5];
    context.beginPath();
    context.moveTo(x, 0);
    context.lineTo(x, canvas.height);
    context.moveTo(0, y);
    context.lineTo(canvas.width, y);
    context.stroke();
  }

  /** A tile in sight that is at hand. */
  first() {
    return this.#inSight()
      .map((one) => this.#tiles.get(one.key))
      .find(Boolean);
  }

  /** The number at the point, as it is at the finest scale; null where it is not at hand. */
  value() {
    const { axis, down, across } = this.#axes;
    if (this.scale.scale !== 0) return null;
    const point = this.#view.point;
    for (const one of this.#inSight()) {
      const inside = [down, across].every((at) => one.start[at] <= point[at] && point[at] < one.stop[at]);
      const tile = inside && one.start[axis] === point[axis] && this.#tiles.get(one.key);
      if (!tile) continue;
      const wide = one.stop[across] - one.start[across];
      const at = (point[down] - one.start[down]) * wide + point[across] - one.start[across];
      const { channels } = this.#view.look;
      return channels > 1
        ? Array.from(tile.data.subarray(at * channels, (at + 1) * channels)).join(", ")
        : String(tile.data[at]);
    }
    return null;
  }

  /** A tile's picture, painted once for each way to look at it. */
  #image(tile, one) {
    const { look } = this.#view;
    const wanted = look.labels ? "labels" : `${look.low} ${look.high}`;
    const kept = this.#painted.get(tile);
    if (kept?.wanted === wanted) return kept.canvas;
    const { down, across } = this.#axes;
    const canvas = new OffscreenCanvas(one.stop[across] - one.start[across], one.stop[down] - one.start[down]);
    const context = canvas.getContext("2d");
    context.putImageData(paint(context.createImageData(canvas.width, canvas.height), tile.data, look), 0, 0);
    this.#painted.set(tile, { wanted, canvas });
    return canvas;
  }
}
