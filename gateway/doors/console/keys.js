// Which keys do something, wherever one is? Those of a panel are said by it; `?` shows them all.

import { h } from "./dom.js";
import { notice } from "./dialogs.js";

const common = [
  ["?", "show the keys"],
  ["/", "search"],
  [
    "g then a letter",
    "go to a panel: m methods, c contents, e explain, s services, t traffic, l latency, k cache, o tokens, p policies, a audit",
  ],
  ["Esc", "leave a field, close a dialog"],
];
let panels = {};
let own = [];
let goes = false;

/** Letters after `g`, and where they lead. */
export function setPanels(letters) {
  panels = letters;
}

/** The keys of the panel that is shown: triples of key, what it does, and the function (null = it is handled elsewhere). */
export function setKeys(keys) {
  own = keys;
}

/** Listen. */
export function attendKeys() {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (typing(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (goes && panels[event.key]) {
      event.preventDefault();
      location.hash = panels[event.key];
    } else if (event.key === "?") {
      help();
    } else if (event.key === "/") {
      const search = document.querySelector("[data-search]");
      if (search) {
        event.preventDefault();
        search.focus();
        search.select();
      }
    } else {
      const found = own.find(([key, , deed]) => key === event.key && deed);
      if (found) {
        event.preventDefault();
        found[2](event);
      }
    }
    goes = event.key === "g";
  });
}

/** Show them. */
export function help() {
  const rows = [...own, ...common];
  notice(
    "Keys",
    h(
      "dl",
      { class: "facts" },
      rows.map(([key, does]) => [h("dt", null, h("kbd", null, key)), h("dd", null, does)]),
    ),
  );
}

function typing(element) {
  return element.closest?.("input:not([type=checkbox]):not([type=range]), textarea, select, [contenteditable]");
}
