// How is a list of ten thousand rows shown? Only those in sight are elements.

import { freshId, h, show } from "./dom.js";

const SPARE = 6;

export class VirtualList {
  #rows = [];
  #height;
  #row;
  #choose;
  #inner = h("div", { class: "virtual-inner" });
  #prefix = freshId("row");
  #drawn = "";

  /** `row` makes the content of one; `choose` is told which is chosen; rows are `height` pixels high. */
  constructor(label, height, row, choose) {
    this.#height = height;
    this.#row = row;
    this.#choose = choose;
    this.at = -1;
    this.element = h("div", { class: "virtual", role: "listbox", tabindex: "0", "aria-label": label }, this.#inner);
    this.element.addEventListener("scroll", () => this.#draw(), { passive: true });
    this.element.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.#draw()).observe(this.element);
  }

  /** Show these; the chosen one is kept where it is still there. */
  set(rows, at = -1) {
    this.#rows = rows;
    this.at = at;
    this.#inner.style.setProperty("height", `${rows.length * this.#height}px`);
    this.#drawn = "";
    if (at < 0) this.element.scrollTop = 0;
    else this.#reveal();
    this.#draw();
  }

  /** Arrows, Home, End, page keys and Enter; whether it was one of them. */
  key(event) {
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.#height) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in steps && this.#rows.length) {
      event.preventDefault();
      this.move(Math.min(this.#rows.length - 1, Math.max(0, this.at + steps[event.key])));
    } else if (event.key === "Enter" && this.at >= 0) {
      event.preventDefault();
      this.#choose(this.#rows[this.at], true);
    } else {
      return false;
    }
    return true;
  }

  /** Choose the row of this number. */
  move(at) {
    this.at = at;
    this.#drawn = "";
    this.#reveal();
    this.#draw();
    this.#choose(this.#rows[at], false);
  }

  #reveal() {
    const top = this.at * this.#height;
    const { scrollTop, clientHeight } = this.element;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + this.#height > scrollTop + clientHeight) this.element.scrollTop = top + this.#height - clientHeight;
  }

  #draw() {
    const first = Math.max(0, Math.floor(this.element.scrollTop / this.#height) - SPARE);
    const most = Math.ceil((this.element.clientHeight || 600) / this.#height) + 2 * SPARE;
    const last = Math.min(this.#rows.length, first + most);
    const drawn = `${first} ${last} ${this.at}`;
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    const found = [];
    for (let at = first; at < last; at += 1) found.push(this.#made(at));
    show(this.#inner, found);
    if (this.at >= 0) this.element.setAttribute("aria-activedescendant", `${this.#prefix}-${this.at}`);
    else this.element.removeAttribute("aria-activedescendant");
  }

  #made(at) {
    return h(
      "div",
      {
        class: "virtual-row",
        id: `${this.#prefix}-${at}`,
        role: "option",
        "aria-selected": at === this.at ? "true" : "false",
        "aria-setsize": this.#rows.length,
        "aria-posinset": at + 1,
        style: { top: `${at * this.#height}px`, height: `${this.#height}px` },
        onclick: () => {
          this.move(at);
          this.#choose(this.#rows[at], true);
        },
      },
      this.#row(this.#rows[at]),
    );
  }
}
