// How is JSON read without losing a digit? Labels go beyond 2^53, where JavaScript's numbers do not.

/** A number as it was written. */
export class Numeral {
  constructor(source) {
    this.source = source;
  }

  toString() {
    return this.source;
  }
}

/** The value; numbers that JavaScript would change are `Numeral`s. Raises SyntaxError. */
export function parse(text) {
  return JSON.parse(text, (_, value, context) => {
    const source = context?.source;
    if (typeof value !== "number" || source === undefined || String(value) === source) return value;
    return exact(source, value) ? value : new Numeral(source);
  });
}

function exact(source, value) {
  // 1.50 and 1e3 are what they are; 18446744073709551615 is not 18446744073709552000.
  if (!/^-?\d+$/.test(source)) return Number.isFinite(value) && source.length < 17;
  return Number.isSafeInteger(value);
}

/** The value as JSON again, its numbers as they were written. */
export function written(value, indent = 0, before = "") {
  const inner = before + " ".repeat(indent);
  const [open, join, close] = indent ? [`\n${inner}`, `,\n${inner}`, `\n${before}`] : ["", ", ", ""];
  if (value instanceof Numeral) return value.source;
  if (Array.isArray(value)) {
    return value.length ? `[${open}${value.map((one) => written(one, indent, inner)).join(join)}${close}]` : "[]";
  }
  if (value !== null && typeof value === "object") {
    const members = Object.entries(value).map(
      ([name, one]) => `${JSON.stringify(name)}: ${written(one, indent, inner)}`,
    );
    return members.length ? `{${open}${members.join(join)}${close}}` : "{}";
  }
  return JSON.stringify(value) ?? "null";
}

/** The value as a Python expression. */
export function python(value) {
  if (value === null || value === undefined) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (value instanceof Numeral) return value.source;
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object") {
    return `{${Object.entries(value)
      .map(([name, one]) => `${JSON.stringify(name)}: ${python(one)}`)
      .join(", ")}}`;
  }
  return JSON.stringify(value);
}
