// How are elements made? Here and nowhere else, and from text: nothing that came over the network is ever read as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element. In `props`, `on…` are listeners, `style` an object, true an empty attribute; null and false are nothing. */
export function h(tag, props, ...children) {
  return filled(document.createElement(tag), props, children);
}

/** The same in SVG. */
export function svg(tag, props, ...children) {
  return filled(document.createElementNS(SVG, tag), props, children);
}

/** Put these in the place of all that is in the element. */
export function show(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter(is));
  return element;
}

function filled(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, one] of Object.entries(value)) element.style.setProperty(key, one);
    else if (name === "value" || name === "checked" || name === "selected") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter(is));
  return element;
}

function is(child) {
  return child !== null && child !== undefined && child !== false;
}

let numbers = 0;

/** An id that no other element has. */
export function freshId(word) {
  numbers += 1;
  return `${word}-${numbers}`;
}

/** A label over something that is filled in, with what is said of it below. */
export function field(label, input, said, extra) {
  input.id ||= freshId("field");
  const about = said ? h("span", { class: "said", id: `${input.id}-said` }, said) : null;
  if (about) input.setAttribute("aria-describedby", about.id);
  return h("div", { class: "field" }, h("label", { for: input.id }, label, extra), input, about);
}

/** A choice of one of several: pairs of value and text. */
export function choice(options, chosen, onchange) {
  const found = h("select", { onchange: onchange && ((event) => onchange(event.target.value)) });
  for (const [value, text] of options) found.append(h("option", { value, selected: value === chosen }, text));
  return found;
}

/** A list of terms and what they are. */
export function facts(pairs) {
  const rows = pairs.filter(([, value]) => is(value) && value !== "");
  return h(
    "dl",
    { class: "facts" },
    rows.map(([term, value]) => [h("dt", null, term), h("dd", null, value)]),
  );
}

/** A table; cells are texts or elements. `numeric` are the columns set flush right. */
export function table(caption, heads, rows, numeric = []) {
  const side = (at) => (numeric.includes(at) ? "number" : null);
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h(
      "table",
      null,
      h("caption", { class: "unseen" }, caption),
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          heads.map((one, at) => h("th", { scope: "col", class: side(at) }, one)),
        ),
      ),
      h(
        "tbody",
        null,
        rows.map((row) =>
          h(
            "tr",
            null,
            row.map((one, at) => h("td", { class: side(at) }, one)),
          ),
        ),
      ),
    ),
  );
}

/** A small word on a coloured ground; kind is good, bad, warn, info or quiet. */
export function badge(text, kind = "quiet", title) {
  return h("span", { class: `badge ${kind}`, title }, text);
}
