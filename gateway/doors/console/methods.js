// Panel: which methods are there, what do they do, and what do they answer?

import { badge, choice, h, show } from "./dom.js";
import { MethodPage } from "./method_page.js";
import { go, here } from "./route.js";
import { VirtualList } from "./virtual_list.js";
import { many } from "./words.js";

const ROW = 52;

export async function open(main, place, lab) {
  let catalog = await lab.catalogs.get(place.query.get("datastack") ?? "");
  let page = null;
  const search = h("input", {
    type: "search",
    placeholder: "Search names and documentation",
    "aria-label": "Search methods",
    "data-search": true,
    autocomplete: "off",
    spellcheck: "false",
    value: place.query.get("find") ?? "",
  });
  const service = h("select", { "aria-label": "Service" });
  const safe = h("input", { type: "checkbox" });
  const tally = h("p", { class: "quiet tally", role: "status" });
  const detail = h("section", { class: "detail", "aria-label": "Method" });
  const list = new VirtualList("Methods", ROW, row, chosen);
  const side = h(
    "section",
    { class: "side", "aria-label": "Methods" },
    h(
      "div",
      { class: "filters" },
      search,
      datastacks(),
      service,
      h("label", { class: "check" }, safe, "only safe ones"),
    ),
    tally,
    list.element,
  );
  show(main, h("div", { class: "split" }, side, detail));

  function datastacks() {
    if (!catalog.datastacks.length) return null;
    const options = [["", "global services"], ...catalog.datastacks.map((one) => [one, `with ${one}`])];
    const made = choice(options, catalog.datastack, (value) =>
      go("methods", [], { datastack: value, find: search.value }),
    );
    made.setAttribute("aria-label", "Datastack");
    return made;
  }

  function services() {
    const options = [["", "all services"], ...catalog.services().map(([name, size]) => [name, `${name} (${size})`])];
    const chosen_ = service.value || place.query.get("service") || "";
    show(
      service,
      options.map(([value, text]) => h("option", { value }, text)),
    );
    service.value = options.some(([value]) => value === chosen_) ? chosen_ : "";
  }

  function row(method) {
    const { safe: isSafe, cache, down, deprecated } = { deprecated: method.deprecated, ...method.extra };
    return [
      h(
        "span",
        { class: "row-head" },
        h("code", null, method.name),
        deprecated && badge("deprecated", "warn"),
        down && badge("down", "bad"),
        cache && badge("cached", "info"),
        !isSafe && badge("may change", "warn"),
      ),
      h("span", { class: "row-text" }, method.summary ?? ""),
    ];
  }

  function filter(keep = false) {
    const found = catalog.find(search.value, service.value, safe.checked);
    const { rest } = here();
    list.set(found, keep ? found.findIndex((one) => one.name === rest[0]) : -1);
    show(
      tally,
      found.length === catalog.methods.length
        ? many(found.length, "method")
        : `${found.length} of ${many(catalog.methods.length, "method")}`,
    );
  }

  function query() {
    return { datastack: catalog.datastack, service: service.value, find: search.value };
  }

  function chosen(method, entered) {
    go("methods", [method.name], query(), true);
    open_(method.name);
    if (entered) page?.focus();
  }

  function open_(name) {
    const method = catalog.byName.get(name);
    detail.scrollTop = 0;
    if (!method) {
      page = null;
      show(
        detail,
        h(
          "p",
          { class: "quiet pad" },
          name
            ? `There is no ${name} that you may call.`
            : "Choose a method: what it does, what it takes, and what it answers is shown here.",
        ),
      );
      return;
    }
    page = new MethodPage(method, catalog, lab);
    show(detail, page.element);
  }

  search.addEventListener("input", () => {
    filter();
    go("methods", here().rest, query(), true);
  });
  search.addEventListener("keydown", (event) => {
    if (["ArrowDown", "ArrowUp", "Enter"].includes(event.key)) {
      if (event.key === "Enter" && list.at < 0) list.move(0);
      list.key(event);
    }
  });
  service.addEventListener("change", () => filter());
  safe.addEventListener("change", () => filter());
  services();
  filter(true);
  open_(place.rest[0]);

  // A version that was seen before is no news: answers of other datastacks have versions of their own.
  const seen = new Set([catalog.version]);
  async function renewed(event) {
    if (seen.has(event.detail)) return;
    seen.add(event.detail);
    const fresh = await lab.catalogs.get(catalog.datastack);
    if (fresh === catalog) return;
    catalog = fresh;
    services();
    filter(true);
  }
  lab.session.addEventListener("catalog", renewed);

  return {
    keys: [
      ["↓ ↑", "the next method, the one before", null],
      ["j", "the next method", () => list.key({ key: "ArrowDown", preventDefault() {} })],
      ["k", "the one before", () => list.key({ key: "ArrowUp", preventDefault() {} })],
      ["Ctrl Enter", "call the method that is shown", null],
    ],
    leave: () => lab.session.removeEventListener("catalog", renewed),
    move: (next) => {
      if ((next.query.get("datastack") ?? "") !== catalog.datastack || next.panel !== "methods") return false;
      open_(next.rest[0]);
      list.set(catalog.find(search.value, service.value, safe.checked), list.at);
      return true;
    },
  };
}
