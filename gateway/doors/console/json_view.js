// How is a JSON value shown? As a tree that opens where one looks, or as a table where it is one.

import { h, show, table } from "./dom.js";
import { Numeral } from "./json.js";
import { count, many } from "./words.js";

const STEP = 100;
const LONG = 600;
const COLUMNS = 40;

/** The value as a tree. */
export function tree(value) {
  return h("div", { class: "tree" }, node(null, value, true));
}

function node(name, value, open) {
  const label = name === null ? null : h("span", { class: "key" }, `${name}: `);
  if (value instanceof Numeral || value === null || typeof value !== "object")
    return h("div", { class: "leaf" }, label, scalar(value));
  const isList = Array.isArray(value);
  const entries = isList ? value.map((one, at) => [at, one]) : Object.entries(value);
  const size = isList ? many(entries.length, "item") : many(entries.length, "member");
  if (!entries.length) return h("div", { class: "leaf" }, label, isList ? "[ ]" : "{ }");
  const body = h("div", { class: "inner" });
  const made = h("details", null, h("summary", null, label, h("span", { class: "quiet" }, size)), body);
  made.addEventListener("toggle", () => made.open && !body.childNodes.length && more(body, entries, 0));
  if (open) {
    made.open = true;
    more(body, entries, 0);
  }
  return made;
}

function more(body, entries, from) {
  body.append(...entries.slice(from, from + STEP).map(([name, value]) => node(name, value, entries.length === 1)));
  const left = entries.length - from - STEP;
  if (left <= 0) return;
  const button = h("button", { type: "button", class: "plain" }, `${count(left)} more`);
  button.addEventListener("click", () => {
    button.remove();
    more(body, entries, from + STEP);
  });
  body.append(button);
}

function scalar(value) {
  if (typeof value !== "string") return h("span", { class: value === null ? "null" : "number" }, String(value));
  if (value.length <= LONG) return h("span", { class: "string" }, JSON.stringify(value));
  const text = h("span", { class: "string" }, JSON.stringify(value.slice(0, LONG)).slice(0, -1));
  const button = h("button", { type: "button", class: "plain" }, `… ${count(value.length - LONG)} more characters`);
  button.addEventListener("click", () => {
    show(text, JSON.stringify(value));
    button.remove();
  });
  return h("span", null, text, button);
}

/** The rows of a value that is a table, null where it is none: columns and rows. */
export function tabular(value) {
  const isObject = (one) => one !== null && typeof one === "object" && !Array.isArray(one) && !(one instanceof Numeral);
  if (Array.isArray(value) && value.length && value.every(isObject)) {
    const columns = [...new Set(value.slice(0, 1000).flatMap((one) => Object.keys(one)))];
    return { columns, rows: value.map((one) => columns.map((name) => one[name])) };
  }
  if (isObject(value)) {
    const columns = Object.keys(value);
    const lists = Object.values(value);
    if (lists.length && lists.every((one) => Array.isArray(one) && one.length === lists[0].length) && lists[0].length) {
      return { columns, rows: lists[0].map((_, at) => lists.map((one) => one[at])) };
    }
  }
  return null;
}

/** A table that shows more when it is asked to. */
export function rowsView({ columns, rows }) {
  const place = h("div", null);
  let shown = STEP;
  const numeric = columns
    .map((_, at) => at)
    .filter((at) => rows.slice(0, 50).every((row) => row[at] === null || row[at] === undefined || isNumber(row[at])));
  function draw() {
    const left = rows.length - shown;
    show(
      place,
      table(
        "Result",
        columns.slice(0, COLUMNS),
        rows.slice(0, shown).map((row) => row.slice(0, COLUMNS).map(cell)),
        numeric,
      ),
      columns.length > COLUMNS && h("p", { class: "quiet" }, `${columns.length - COLUMNS} more columns are not shown.`),
      left > 0 && h("button", { type: "button", onclick: () => ((shown *= 4), draw()) }, `${count(left)} more rows`),
    );
  }
  draw();
  return place;
}

function isNumber(value) {
  return (
    typeof value === "number" ||
    value instanceof Numeral ||
    (typeof value === "string" && /^-?\d[\d.eE+-]*$/.test(value))
  );
}

function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "string") return value.length > 200 ? `${value.slice(0, 200)}…` : value;
  if (typeof value === "object" && !(value instanceof Numeral)) {
    const text = JSON.stringify(value);
    return h("code", null, text.length > 120 ? `${text.slice(0, 120)}…` : text);
  }
  return String(value);
}

/** The rows of a CSV text (RFC 4180). */
export function csv(text) {
  const rows = [];
  let row = [];
  const cells = /("(?:[^"]|"")*"|[^,\r\n]*)(,|\r?\n|$)/gy;
  for (let found; (found = cells.exec(text)) && (found[0] || cells.lastIndex < text.length);) {
    row.push(found[1].startsWith('"') ? found[1].slice(1, -1).replaceAll('""', '"') : found[1]);
    if (found[2] !== ",") {
      rows.push(row);
      row = [];
      if (cells.lastIndex >= text.length) break;
    }
  }
  const [columns = [], ...others] = rows;
  return { columns, rows: others };
}
