// Panel: what is there? Repositories, catalogs and datastacks in one tree, and what is selected beside it.

import { choice, h, show } from "./dom.js";
import { repositoryPage } from "./repository_page.js";
import { go, here, to } from "./route.js";
import { sourcePage } from "./source_page.js";
import { datastackPage } from "./datastack_page.js";
import { instancePage } from "./instance_page.js";

const MODES = [
  ["existing", "select existing data"],
  ["new", "specify new data"],
];

/** The services of the list that hold something to look through, and how they are asked. */
function holders(catalog) {
  const has = (name, ...methods) => methods.every((one) => catalog.byName.has(`${name}.${one}`));
  return Object.keys(catalog.namespaces).flatMap((name) => {
    if (has(name, "repos", "repo", "volume")) return [{ name, kind: "repositories" }];
    if (has(name, "entries", "source", "read")) return [{ name, kind: "catalog" }];
    return [];
  });
}

export async function open(main, place, lab) {
  const catalog = await lab.catalogs.get();
  const context = { ...lab, catalog, mode: place.query.get("mode") === "new" ? "new" : "existing" };
  const tree = h("nav", { class: "contents-tree", "aria-label": "Contents" });
  const detail = h("section", { class: "detail", "aria-label": "What is selected" });
  const find = h("input", {
    type: "search",
    placeholder: "Filter by name",
    "aria-label": "Filter by name",
    "data-search": true,
    autocomplete: "off",
  });
  const mode = choice(MODES, context.mode, (value) => {
    context.mode = value;
    go("contents", here().rest, { mode: value === "new" ? "new" : null });
  });
  mode.setAttribute("aria-label", "What for");
  show(
    main,
    h(
      "div",
      { class: "split" },
      h("section", { class: "side" }, h("div", { class: "filters" }, find, mode), tree),
      detail,
    ),
  );

  let leave = null;
  let visit = 0;

  function item(text, about, rest, children) {
    const link = h(
      "a",
      {
        href: to("contents", rest, { mode: context.mode === "new" ? "new" : null }),
        class: "tree-link",
        "data-path": JSON.stringify(rest),
      },
      h("span", null, text),
      about && h("span", { class: "quiet" }, about),
    );
    if (!children) return h("div", { class: "tree-item", "data-name": text.toLowerCase() }, link);
    const inner = h("div", { class: "tree-inner" });
    const toggle = h(
      "button",
      { type: "button", class: "plain twist", "aria-expanded": "false", "aria-label": `Open ${text}` },
      "▸",
    );
    const made = h(
      "div",
      { class: "tree-item", "data-name": text.toLowerCase() },
      h("div", { class: "tree-line" }, toggle, link),
      inner,
    );
    let asked = null;
    async function turn(wanted) {
      const isOpen = wanted ?? toggle.getAttribute("aria-expanded") === "false";
      toggle.setAttribute("aria-expanded", String(isOpen));
      show(toggle, isOpen ? "▾" : "▸");
      inner.hidden = !isOpen;
      if (isOpen) {
        asked ??= filled(inner, children);
        await asked;
      }
    }
    made.turn = turn;
    toggle.addEventListener("click", () => turn());
    turn(false);
    return made;
  }

  async function filled(inner, children) {
    show(inner, h("p", { class: "quiet tree-note" }, "…"));
    try {
      const found = await children();
      show(inner, found.length ? found : h("p", { class: "quiet tree-note" }, "nothing"));
      filter();
    } catch (error) {
      show(inner, h("p", { class: "trouble" }, error.message));
    }
  }

  function filter() {
    const wanted = find.value.toLowerCase();
    const items = [...tree.querySelectorAll(".tree-item")].reverse();
    for (const one of items) {
      const below = [...one.querySelectorAll(":scope > .tree-inner > .tree-item")].some((inner) => !inner.hidden);
      one.hidden = Boolean(wanted) && !below && !one.dataset.name.includes(wanted);
    }
  }

  async function repositories(name) {
    const found = await lab.session.call(`${name}.repos`);
    return found.map((one) =>
      item(one.alias || one.root.slice(0, 8), `${one.versions} versions`, ["repositories", name, one.root]),
    );
  }

  async function entries(name, path) {
    const params = path.length ? { catalog: path.join(".") } : {};
    const found = await lab.session.call(`${name}.entries`, params);
    return found.entries.map((one) => {
      const inner = [...path, one.name];
      const below = one.container === "catalog" ? () => entries(name, inner) : null;
      return item(one.name, one.container, ["catalog", name, ...inner], below);
    });
  }

  const roots = holders(catalog).map(({ name, kind }) => {
    const children = kind === "repositories" ? () => repositories(name) : () => entries(name, []);
    return item(name, kind, [kind, name], children);
  });
  if (catalog.datastacks.length) {
    roots.push(
      item("datastacks", `${catalog.datastacks.length}`, ["datastacks"], async () =>
        catalog.datastacks.map((one) => item(one, "", ["datastacks", one])),
      ),
    );
  }
  show(
    tree,
    roots.length ? roots : h("p", { class: "quiet pad" }, "No service that you may call has contents to look through."),
  );
  find.addEventListener("input", filter);
  tree.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const links = [...tree.querySelectorAll("a")].filter((one) => one.checkVisibility());
    const at = links.indexOf(document.activeElement);
    if (step && links[at + step]) {
      event.preventDefault();
      links[at + step].focus();
    }
    const line = document.activeElement.closest(".tree-item");
    if (event.key === "ArrowRight") line?.turn?.(true);
    if (event.key === "ArrowLeft") line?.turn?.(false);
  });
  await Promise.all(roots.map((one) => one.turn?.(true)));

  async function look({ rest, query }) {
    const mine = (visit += 1);
    leave?.();
    leave = null;
    for (const link of tree.querySelectorAll("a")) {
      const path = JSON.parse(link.dataset.path);
      const isHere =
        path.every((one, at) => rest[at] === one) &&
        (path.length === rest.length || (path.length === 3 && path[0] === "repositories"));
      if (isHere) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    detail.scrollTop = 0;
    show(detail, h("p", { class: "quiet pad" }, "…"));
    try {
      const page = await chosen(rest, query);
      if (mine !== visit) return page.leave?.();
      leave = page.leave ?? null;
      show(detail, page.element);
    } catch (error) {
      if (mine === visit)
        show(detail, h("div", { class: "pad" }, h("p", { class: "trouble", role: "alert" }, error.message)));
    }
  }

  function chosen([kind, name, ...path], query) {
    if (kind === "repositories" && path.length === 3) return instancePage(context, name, path[1], path[2], query);
    if (kind === "repositories" && path.length) return repositoryPage(context, name, path[0], path[1]);
    if (kind === "catalog" && path.length) return sourcePage(context, name, path);
    if (kind === "datastacks" && name) return datastackPage(context, name);
    return {
      element: h(
        "p",
        { class: "quiet pad" },
        "Choose what to look at: repositories and their versions, catalogs and their entries, datastacks.",
      ),
    };
  }

  look(place);
  return {
    keys: [
      ["↑ ↓ ← →", "move in the tree, close and open", null],
      ["n, p", "in a picture: the next and the previous plane; + and − zoom", null],
    ],
    leave: () => leave?.(),
    move: (next) => {
      context.mode = next.query.get("mode") === "new" ? "new" : "existing";
      mode.value = context.mode;
      look(next);
      return true;
    },
  };
}
