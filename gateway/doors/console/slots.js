// How many things are done at once? A few; others wait for their turn.

export class Slots {
  #free;
  #waiting = [];

  constructor(size) {
    this.#free = size;
  }

  /** Do it when there is room. */
  run(deed) {
    this.#waiting.push(deed);
    this.#next();
  }

  #next() {
    while (this.#free > 0 && this.#waiting.length) {
      const deed = this.#waiting.shift();
      this.#free -= 1;
      deed().finally(() => {
        this.#free += 1;
        this.#next();
      });
    }
  }
}
