// How is a table sorted by whoever looks? By its heads, which stay while its rows change: so does what is focused.

import { h, show } from "./dom.js";

export class SortableTable {
  #columns;
  #heads;
  #body = h("tbody", null);
  #told;

  /**
   * `columns` have a name, a title, what it means, and whether it is numeric; `told` is called with the name of one and whether
   * the largest come first. The first one names the row.
   */
  constructor(caption, columns, told) {
    this.#columns = columns;
    this.#told = told;
    this.#heads = columns.map((one) =>
      h(
        "th",
        { scope: "col", class: one.numeric ? "number" : null },
        h("button", { type: "button", class: "sort", title: one.meaning, onclick: () => this.#press(one) }, one.title),
      ),
    );
    this.element = h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
      h(
        "table",
        { class: "sortable" },
        h("caption", { class: "unseen" }, caption),
        h("thead", null, h("tr", null, this.#heads)),
        this.#body,
      ),
    );
  }

  /** Say by which column the rows are sorted. */
  sorted(name, descending) {
    this.name = name;
    this.descending = descending;
    this.#columns.forEach((one, at) => {
      if (one.name === name) this.#heads[at].setAttribute("aria-sort", descending ? "descending" : "ascending");
      else this.#heads[at].removeAttribute("aria-sort");
    });
  }

  /** Show these rows, of a text or element for each column. */
  set(rows) {
    show(
      this.#body,
      rows.map((row) =>
        h(
          "tr",
          null,
          row.map((one, at) =>
            at
              ? h("td", { class: this.#columns[at].numeric ? "number" : null }, one)
              : h("th", { scope: "row" }, one),
          ),
        ),
      ),
    );
  }

  // Of numbers people look for the largest first, of names for the first.
  #press({ name, numeric }) {
    this.sorted(name, this.name === name ? !this.descending : Boolean(numeric));
    this.#told(name, this.descending);
  }
}
