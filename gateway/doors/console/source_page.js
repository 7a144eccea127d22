// What is an entry of a catalog? What is known of it, and a part of it, read through the gate.

import { copy } from "./dialogs.js";
import { badge, facts, field, h, show } from "./dom.js";
import { python } from "./json.js";
import { tree } from "./json_view.js";
import { ParamForm } from "./param_form.js";
import { Result } from "./result.js";
import { connecting, reachable } from "./snippets.js";
import { bytes, count } from "./words.js";

const TYPES = { str: "string", int: "integer", float: "number", bool: "boolean" };

export async function sourcePage(context, service, path) {
  const { session, catalog } = context;
  const name = path.join(".");
  const source = await session.call(`${service}.source`, { name });
  const params = (source.parameters ?? []).map((one) => ({
    name: one.name,
    description: one.description,
    schema: { type: TYPES[one.type], enum: one.allowed, minimum: one.min, maximum: one.max, default: one.default },
  }));
  const form = params.length ? new ParamForm(params, catalog) : null;
  const out = h("section", { class: "result", "aria-label": "What was read", "aria-live": "polite" });
  const snippet = h("pre", { tabindex: "0", class: "snippet" });
  const parts = partitions(source);
  let result = null;

  function draw() {
    const given = form
      ? form
          .entered()
          .map(([key, raw]) => `${key}=${python(JSON.parse(raw))}`)
          .join(", ")
      : "";
    const opened = `lab.${service}[${python(name)}]${given ? `(${given})` : ""}`;
    show(snippet, `${connecting(reachable(session.about.address), "")}source = ${opened}\nsource.read()\n`);
  }

  async function read(all) {
    result?.stop();
    const parameters = form ? await form.json() : "{}";
    const partition = all || !parts ? "" : `, "partition": ${parts.raw()}`;
    result = new Result(
      session,
      { ...catalog.byName.get(`${service}.read`), extra: { result: kindOf(source.container) } },
      "",
    );
    show(out, result.element);
    await result.fetch(`{"name": ${JSON.stringify(name)}, "parameters": ${parameters}${partition}}`, "");
  }

  const tried = (all) =>
    read(all).catch((error) => show(out, h("p", { class: "trouble", role: "alert" }, error.message)));
  form?.element.addEventListener("input", draw);
  draw();
  const size = estimate(source);
  const element = h(
    "article",
    { class: "method" },
    h("h2", null, name),
    h("p", { class: "badges" }, badge(source.container, "info")),
    h("p", { class: "summary" }, source.description ?? ""),
    facts([
      ["Shape", source.shape?.map((one) => one ?? "?").join(" × ")],
      ["Type", typeof source.dtype === "string" ? source.dtype : null],
      [
        "Columns",
        source.dtype && typeof source.dtype === "object"
          ? Object.entries(source.dtype).map(([key, value]) => h("div", null, h("code", null, key), ` ${value}`))
          : null,
      ],
      ["Chunks", source.chunks ? source.chunks.map((one) => one.join("+")).join(" × ") : null],
      ["Partitions", source.npartitions],
      ["Whole size", size === null ? null : `about ${bytes(size)}`],
      ["Metadata", Object.keys(source.metadata ?? {}).length ? tree(source.metadata) : null],
    ]),
    form && [h("h3", null, "Parameters"), form.element],
    source.container !== "catalog" && [
      h("h3", null, "Look at it"),
      parts && h("div", { class: "row" }, parts.fields),
      h(
        "div",
        { class: "buttons start" },
        h(
          "button",
          { type: "button", class: "primary", onclick: () => tried(false) },
          parts ? "Read this part" : "Read it",
        ),
        parts &&
          h(
            "button",
            { type: "button", onclick: () => tried(true) },
            `Read all of it${size === null ? "" : `, about ${bytes(size)}`}`,
          ),
      ),
      out,
    ],
    h("h3", null, "Use it"),
    snippet,
    h(
      "div",
      { class: "buttons start" },
      h("button", { type: "button", onclick: () => copy(snippet.textContent) }, "Copy the snippet"),
    ),
  );
  return { element, leave: () => result?.stop() };
}

function kindOf(container) {
  return { ndarray: "array", dataframe: "table" }[container] ?? null;
}

/** Which part is read: an index along each axis that is cut, or a number. */
function partitions({ chunks, npartitions }) {
  const box = (most) => h("input", { type: "number", min: 0, max: most - 1, value: 0 });
  if (chunks?.some((one) => one.length > 1)) {
    const boxes = chunks.map((one) => box(one.length));
    return {
      fields: boxes.map((one, at) => field(`Part along axis ${at}`, one, `0 to ${chunks[at].length - 1}`)),
      raw: () => `[${boxes.map((one) => Number(one.value)).join(", ")}]`,
    };
  }
  if (npartitions > 1) {
    const one = box(npartitions);
    return {
      fields: [field("Partition", one, `0 to ${count(npartitions - 1)}`)],
      raw: () => String(Number(one.value)),
    };
  }
  return null;
}

function estimate({ shape, dtype }) {
  if (typeof dtype !== "string" || !shape?.every((one) => Number.isInteger(one))) return null;
  const short = /^[<>|]?[a-z](\d+)$/.exec(dtype);
  const long = /^[a-z]+(\d+)$/.exec(dtype);
  const size = short ? Number(short[1]) : long ? Number(long[1]) / 8 : 1;
  return shape.reduce((product, one) => product * one, size);
}
