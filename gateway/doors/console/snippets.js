// How is the same call made from elsewhere? Python, curl, the command line, and where it can be, a plain URL.

import { copy } from "./dialogs.js";
import { h, show } from "./dom.js";
import { parse, python } from "./json.js";
import { callPath } from "./session.js";

const IDENTIFIER = /^[A-Za-z_]\w*$/;
const KEYWORDS = new Set(
  "False None True and as assert async await break class continue def del elif else except finally for from global if import in is lambda nonlocal not or pass raise return try while with yield".split(
    " ",
  ),
);

export class Snippets {
  #method;
  #datastack;
  #address;
  #tabs;
  #text = h("pre", { tabindex: "0", class: "snippet" });
  #pairs = [];
  #chosen = "Python";

  constructor(method, catalog, address) {
    this.#method = method;
    this.#datastack = catalog.datastack;
    this.#address = reachable(address);
    const names = ["Python", "curl", "command line", ...(method.extra.safe ? ["URL"] : [])];
    this.#tabs = names.map((name) =>
      h("button", { type: "button", class: "tab", "aria-pressed": "false", onclick: () => this.#choose(name) }, name),
    );
    this.element = h(
      "div",
      { class: "snippets" },
      h(
        "div",
        { class: "tabs", role: "group", "aria-label": "Language" },
        this.#tabs,
        h("button", { type: "button", class: "plain copy", onclick: () => copy(this.#text.textContent) }, "Copy"),
      ),
      this.#text,
    );
    this.#choose(this.#chosen);
  }

  /** Show these arguments: pairs of name and JSON. */
  update(pairs) {
    this.#pairs = pairs;
    this.#choose(this.#chosen);
  }

  #choose(name) {
    this.#chosen = name;
    for (const tab of this.#tabs) tab.setAttribute("aria-pressed", String(tab.textContent === name));
    const made = { Python: inPython, curl: inCurl, "command line": inShell, URL: asUrl }[name];
    show(this.#text, made(this.#method, this.#pairs, this.#address, this.#datastack));
  }
}

/** A listener of all addresses is reached by the name of this page's host. */
export function reachable(address) {
  return address.replace(/^(https?:\/\/)(0\.0\.0\.0|\[::\])/, (_, scheme) => scheme + location.hostname);
}

/** Pairs of name and JSON as Python keyword arguments. */
function keywords(pairs) {
  const plain = pairs.filter(([name]) => isName(name)).map(([name, raw]) => `${name}=${python(parse(raw))}`);
  const odd = pairs
    .filter(([name]) => !isName(name))
    .map(([name, raw]) => `${JSON.stringify(name)}: ${python(parse(raw))}`);
  return [...plain, ...(odd.length ? [`**{${odd.join(", ")}}`] : [])].join(", ");
}

function isName(name) {
  return IDENTIFIER.test(name) && !KEYWORDS.has(name);
}

/** How Python connects to the gate. */
export function connecting(address, datastack) {
  const more = datastack ? `, datastack=${JSON.stringify(datastack)}` : "";
  return `import labgate\n\nlab = labgate.connect(${JSON.stringify(address)}${more})\n`;
}

function inPython(method, pairs, address, datastack) {
  const steps = method.name.split(".");
  const path = steps.every(isName) ? `lab.${method.name}` : `lab[${JSON.stringify(method.name)}]`;
  return `${connecting(address, datastack)}${path}(${keywords(pairs)})\n`;
}

function inCurl(method, pairs, address, datastack) {
  const body = `{${pairs.map(([name, raw]) => `${JSON.stringify(name)}: ${raw}`).join(", ")}}`;
  return [
    `curl ${quoted(`${address}/${callPath(method.name, { datastack })}`)}`,
    `-H "Authorization: Bearer $LABGATE_TOKEN"`,
    `-H 'Content-Type: application/json'`,
    `-d ${quoted(body)}\n`,
  ].join(" \\\n  ");
}

function inShell(method, pairs, address, datastack) {
  const given = pairs.map(([name, raw]) => {
    const value = parse(raw);
    return quoted(`${name}=${typeof value === "string" ? value : raw}`);
  });
  const more = datastack ? ` --datastack ${quoted(datastack)}` : "";
  return `labgate call --url ${quoted(address)}${more} ${[quoted(method.name), ...given].join(" ")}\n`;
}

function asUrl(method, pairs, address, datastack) {
  const query = new URLSearchParams();
  for (const [name, raw] of pairs) {
    const value = parse(raw);
    query.append(name, typeof value === "string" ? value : raw);
  }
  if (datastack) query.append("datastack", datastack);
  const written = query.toString();
  return `${address}/rpc/${encodeURIComponent(method.name)}${written && `?${written}`}\n`;
}

/** A word of the shell. */
function quoted(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
