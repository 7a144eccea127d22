// Which parts of a plane are at hand, and which are asked for? Tiles of one plane each, read through the gate and its cache.

import { npy } from "./npy.js";
import { callPath, read, Refused } from "./session.js";
import { Slots } from "./slots.js";

export const TILE = 256;
const MOST = 96 << 20;

export class Tiles {
  #session;
  #method;
  #known = new Map();
  #wanted = new Map();
  #broken = new Set();
  #slots = new Slots(6);
  #size = 0;
  #arrived;
  #failed;

  /** `arrived` is called when there is something new to draw, `failed` with why there is not. */
  constructor(session, method, volume, arrived, failed) {
    this.#session = session;
    this.#method = method;
    this.volume = volume;
    this.#arrived = arrived;
    this.#failed = failed;
  }

  /** A tile, if it is at hand; it was used now. */
  get(key) {
    const found = this.#known.get(key);
    if (found) {
      this.#known.delete(key);
      this.#known.set(key, found);
    }
    return found;
  }

  /** Ask for these, in this order, and for nothing that was asked for before by the same `who` and is not among them. */
  want(who, tiles) {
    const keys = new Set(tiles.map((one) => one.key));
    for (const [key, one] of this.#wanted) {
      if (one.who === who && !keys.has(key)) {
        one.stop.abort();
        this.#wanted.delete(key);
      }
    }
    for (const tile of tiles) {
      // What could not be had is not asked for again until somebody says so: the gate has said no.
      if (this.#known.has(tile.key) || this.#wanted.has(tile.key) || this.#broken.has(tile.key)) continue;
      const stop = new AbortController();
      this.#wanted.set(tile.key, { who, stop });
      this.#slots.run(() => this.#fetch(tile, stop.signal));
    }
  }

  /** Whether something is still to come. */
  get busy() {
    return this.#wanted.size > 0;
  }

  /** Ask once more for what could not be had. */
  again() {
    this.#broken.clear();
    this.#arrived();
  }

  /** Ask for nothing more, and forget everything. */
  end() {
    for (const { stop } of this.#wanted.values()) stop.abort();
    this.#wanted.clear();
    this.#known.clear();
  }

  async #fetch({ key, start, stop: end, scale }, signal) {
    if (signal.aborted) return;
    const { node, instance } = this.volume;
    try {
      const json = { node, instance, start, stop: end, scale };
      const answer = await this.#session.ask(callPath(this.#method, { format: "npy" }), { json, signal });
      if (!answer.ok) throw new Refused(answer.status, await read(answer), answer);
      const array = npy(await answer.arrayBuffer());
      if (signal.aborted) return;
      this.#keep(key, { ...array, verdict: answer.headers.get("Cache-Status") ?? "" });
      this.#wanted.delete(key);
      this.#arrived();
    } catch (error) {
      if (signal.aborted) return;
      this.#wanted.delete(key);
      this.#broken.add(key);
      this.#failed(error);
    }
  }

  #keep(key, tile) {
    this.#known.set(key, tile);
    this.#size += tile.data.byteLength;
    for (const [old, one] of this.#known) {
      if (this.#size <= MOST) break;
      this.#known.delete(old);
      this.#size -= one.data.byteLength;
    }
  }
}
