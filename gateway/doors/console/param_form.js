// How are a method's parameters filled in? By a field for each, of the kind that its schema says.
//
// What is typed goes out as it was typed: a number keeps its digits.

import { field, h } from "./dom.js";
import { parse } from "./json.js";

const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
const INTEGER = /^-?(0|[1-9]\d*)$/;

/** What cannot be sent; `field` is where it stands. */
class Unfit extends Error {
  constructor(name, why, at) {
    super(`${name}: ${why}`);
    this.field = at;
  }
}

export class ParamForm {
  #fields;

  constructor(params, catalog) {
    this.#fields = params.map((param) => made(param, catalog.resolved(param.schema)));
    this.element = h(
      "div",
      { class: "form" },
      this.#fields.map((one) => one.element),
      !params.length && h("p", { class: "quiet" }, "It takes no parameters."),
    );
  }

  /** Name and JSON of all that is filled in and can be read; for snippets. */
  entered() {
    const found = [];
    for (const one of this.#fields.filter(({ input: { type } }) => type !== "file")) {
      try {
        const raw = one.raw();
        if (raw !== null) found.push([one.name, raw]);
      } catch {
        // It is still being typed.
      }
    }
    return found;
  }

  /** The params as JSON. Raises an error whose text is for people, and whose `field` is where it stands. */
  async json() {
    const members = [];
    for (const one of this.#fields) {
      const raw = await one.raw();
      if (raw === null && one.required) throw new Unfit(one.name, "it is needed", one.input);
      if (raw !== null) members.push(`${JSON.stringify(one.name)}: ${raw}`);
    }
    return `{${members.join(", ")}}`;
  }
}

function made(param, schema) {
  const kinds = [schema.type ?? []].flat().filter((one) => one !== "null");
  const kind = kinds.length === 1 ? kinds[0] : "";
  const found = input(param, schema, kind);
  const hints = [
    param.description,
    bounds(schema),
    schema.default !== undefined && `default ${JSON.stringify(schema.default)}`,
  ];
  const star = param.required ? h("span", { class: "needed", title: "needed" }, "needed") : null;
  const type = h("span", { class: "type" }, schema["x-labgate-kind"] ?? schema.format ?? (kinds.join(" or ") || "any"));
  if (param.required) found.input.setAttribute("aria-required", "true");
  return {
    ...found,
    name: param.name,
    required: param.required,
    element: field(param.name, found.input, hints.filter(Boolean).join(" · "), [type, star]),
  };
}

function bounds(schema) {
  const { minimum, maximum, pattern, maxItems, minItems } = schema;
  if (minimum !== undefined || maximum !== undefined) return `${minimum ?? ""} … ${maximum ?? ""}`;
  if (pattern) return `like ${pattern}`;
  if (minItems !== undefined && minItems === maxItems) return `${minItems} of them`;
  return null;
}

function input(param, schema, kind) {
  if (schema.format === "binary" || schema["x-labgate-kind"]) return file(param, schema);
  if (schema.enum)
    return several(
      schema.enum.map((one) => [JSON.stringify(one), typeof one === "string" ? one : JSON.stringify(one)]),
    );
  if (kind === "boolean")
    return several([
      ["true", "true"],
      ["false", "false"],
    ]);
  if (kind === "integer" || kind === "number") return number(param, kind);
  if (kind === "string") return text(schema);
  if (kind === "array" || kind === "object") return json(param, kind);
  return anything();
}

function several(options) {
  const select = h(
    "select",
    null,
    h("option", { value: "" }, "–"),
    options.map(([value, text_]) => h("option", { value }, text_)),
  );
  return { input: select, raw: () => select.value || null };
}

function number(param, kind) {
  const box = h("input", { type: "text", inputmode: kind === "integer" ? "numeric" : "decimal", autocomplete: "off" });
  const raw = () => {
    const value = box.value.trim();
    if (!value) return null;
    if (!(kind === "integer" ? INTEGER : NUMBER).test(value)) {
      throw new Unfit(param.name, kind === "integer" ? "it is a whole number" : "it is a number", box);
    }
    return value;
  };
  return { input: box, raw };
}

function text(schema) {
  const long = (schema.maxLength ?? 0) > 400;
  const box = h(long ? "textarea" : "input", { autocomplete: "off", spellcheck: "false", rows: long ? 4 : null });
  if (schema.format === "password") box.type = "password";
  return { input: box, raw: () => (box.value === "" ? null : JSON.stringify(box.value)) };
}

function json(param, kind) {
  const box = h("textarea", { rows: 2, spellcheck: "false", placeholder: kind === "array" ? "[…]" : "{…}" });
  const raw = () => {
    const value = box.value.trim();
    if (!value) return null;
    try {
      parse(value);
    } catch (error) {
      throw new Unfit(param.name, `it is no JSON: ${error.message}`, box);
    }
    if (value[0] !== (kind === "array" ? "[" : "{")) throw new Unfit(param.name, `it is an ${kind}`, box);
    return value;
  };
  return { input: box, raw };
}

function anything() {
  const box = h("textarea", { rows: 1, spellcheck: "false", placeholder: "JSON, or else a text" });
  const raw = () => {
    const value = box.value.trim();
    if (!value) return null;
    try {
      parse(value);
      return value;
    } catch {
      return JSON.stringify(box.value);
    }
  };
  return { input: box, raw };
}

function file(param, schema) {
  const box = h("input", { type: "file" });
  const raw = () => (box.files.length ? encoded(param, schema, box) : null);
  return { input: box, raw };
}

async function encoded(param, schema, box) {
  const data = new Uint8Array(await box.files[0].arrayBuffer());
  if (schema["x-labgate-kind"] !== "ndarray") return JSON.stringify({ $binary: { base64: base64(data) } });
  const { npy } = await import("./npy.js");
  try {
    const array = npy(data.buffer);
    const body = data.subarray(array.start);
    return JSON.stringify({ $ndarray: { base64: base64(body), dtype: array.descr, shape: array.shape } });
  } catch (error) {
    throw new Unfit(param.name, error.message, box);
  }
}

function base64(data) {
  let found = "";
  for (let at = 0; at < data.length; at += 0x8000) found += String.fromCharCode(...data.subarray(at, at + 0x8000));
  return btoa(found);
}
