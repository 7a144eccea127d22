// What is one method, and what does it answer?

import { confirm } from "./dialogs.js";
import { badge, choice, h, show } from "./dom.js";
import { explanation } from "./explanation.js";
import { ParamForm } from "./param_form.js";
import { Result } from "./result.js";
import { Snippets } from "./snippets.js";
import { span } from "./words.js";

const FORMS = [
  ["", "as it comes"],
  ["json", "JSON"],
  ["csv", "CSV"],
  ["npy", "numpy file"],
  ["bytes", "bytes"],
];

export class MethodPage {
  #method;
  #catalog;
  #lab;
  #form;
  #result = null;
  #out = h("section", { class: "result", "aria-label": "Result", "aria-live": "polite" });
  #call = h("button", { type: "button", class: "primary" });

  constructor(method, catalog, lab) {
    this.#method = method;
    this.#catalog = catalog;
    this.#lab = lab;
    this.#form = new ParamForm(method.params ?? [], catalog);
    const snippets = new Snippets(method, catalog, lab.session.about.address);
    const update = () => snippets.update(this.#form.entered());
    this.#form.element.addEventListener("input", update);
    update();
    this.format = choice(FORMS, "");
    this.format.setAttribute("aria-label", "Form of the result");
    show(this.#call, method.extra.safe ? "Call" : "Call, which may change something");
    if (!method.extra.safe) this.#call.className = "danger";
    this.#call.addEventListener("click", () => this.call());
    this.element = h(
      "article",
      { class: "method" },
      this.#head(),
      h("h3", null, "Try it"),
      this.#form.element,
      h(
        "div",
        { class: "buttons start" },
        this.#call,
        this.format,
        h("button", { type: "button", onclick: () => this.explain() }, "Explain"),
      ),
      this.#out,
      h("h3", null, "Call it from elsewhere"),
      snippets.element,
    );
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        this.call();
      }
    });
  }

  /** Go where something can be filled in. */
  focus() {
    (this.#form.element.querySelector("input, textarea, select") ?? this.#call).focus();
  }

  #head() {
    const { name, summary, description, externalDocs, deprecated, extra, result } = this.#method;
    const cache = extra.cache;
    const kind = extra.result ?? this.#catalog.resolved(result?.schema).type ?? null;
    return [
      h("h2", null, h("code", null, name)),
      h(
        "p",
        { class: "badges" },
        extra.safe
          ? badge("safe", "good", "It changes nothing, and may be asked again")
          : badge("may change something", "warn"),
        extra.idempotent && !extra.safe && badge("idempotent", "quiet", "Twice is as once"),
        cache &&
          badge(
            cache.fresh ? `served from the cache for ${span(cache.fresh)}` : "may be served from the cache",
            "info",
            cache.stale ? `and for ${span(cache.stale)} more while its service is down` : null,
          ),
        kind && badge(`answers ${kind}`),
        deprecated && badge("deprecated", "warn"),
        extra.down && badge("its service is down", "bad"),
        (extra.scopes ?? []).map((one) => badge(`scope ${one}`)),
      ),
      summary && h("p", { class: "summary" }, summary),
      description && description !== summary && h("p", { class: "prose" }, description),
      typeof extra.http === "string" && h("p", { class: "quiet" }, "As a request to the gate: ", h("code", null, extra.http)),
      externalDocs?.url && h("p", { class: "quiet" }, "The service's own documentation: ", safeLink(externalDocs.url)),
    ];
  }

  /** Call it, and show what comes of it. */
  async call() {
    let raw;
    try {
      raw = await this.#form.json();
    } catch (error) {
      show(this.#out, h("p", { class: "trouble", role: "alert" }, error.message));
      error.field?.focus();
      return;
    }
    const { name, extra } = this.#method;
    if (
      !extra.safe &&
      !(await confirm(`Call ${name}?`, h("p", null, "It is not known to be safe: it may change something."), "Call it"))
    )
      return;
    this.#result?.stop();
    this.#result = new Result(this.#lab.session, this.#method, this.#catalog.datastack);
    show(this.#out, this.#result.element);
    await this.#result.fetch(raw, this.format.value);
  }

  /** Have it explained, and carry nothing out. */
  async explain() {
    try {
      const raw = await this.#form.json();
      show(this.#out, h("p", { class: "quiet" }, "…"));
      const question = { method: this.#method.name, datastack: this.#catalog.datastack };
      show(this.#out, await explanation(this.#lab.session, question, raw));
    } catch (error) {
      show(this.#out, h("p", { class: "trouble", role: "alert" }, error.message));
    }
  }
}

/** A link that leads to a web page, and nowhere else; its text where it would. */
function safeLink(url) {
  const leads = /^https?:\/\//i.test(url);
  return leads ? h("a", { href: url, rel: "noopener noreferrer", target: "_blank" }, url) : h("span", null, url);
}
