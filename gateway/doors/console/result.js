// What did a call answer? As a tree, a table or a picture; what is too large to be shown is offered as a file.

import { arrayView } from "./array_view.js";
import { h, show } from "./dom.js";
import { parse, written } from "./json.js";
import { csv, rowsView, tabular, tree } from "./json_view.js";
import { npy } from "./npy.js";
import { callPath } from "./session.js";
import { upstream, verdict } from "./verdict.js";
import { bytes, milliseconds } from "./words.js";

/** Bytes of text that are read as JSON or CSV; more is shown by its beginning. */
const READ = 4 << 20;
const BEGINNING = 64 << 10;
/** Bytes after which reading ends: a browser's memory is no place for more. */
const MOST = 512 << 20;
const KINDS = { array: "npy", table: "csv", bytes: "bytes" };
const PICTURES = [
  ["image/png", [0x89, 0x50, 0x4e, 0x47]],
  ["image/jpeg", [0xff, 0xd8, 0xff]],
  ["image/gif", [0x47, 0x49, 0x46, 0x38]],
];

export class Result {
  #session;
  #method;
  #datastack;
  #stop = new AbortController();
  #urls = [];
  #head = h("div", { class: "badges" });
  #body = h("div", { class: "result-body" });

  constructor(session, method, datastack) {
    this.#session = session;
    this.#method = method;
    this.#datastack = datastack;
    this.element = h("div", null, this.#head, this.#body);
  }

  /** End the call, and forget what was kept of it. */
  stop() {
    this.#stop.abort();
    for (const url of this.#urls) URL.revokeObjectURL(url);
  }

  /** Call with these params, a JSON object, and show what comes. */
  async fetch(raw, wanted) {
    const form = wanted || KINDS[this.#method.extra.result] || "json";
    const cancel = h("button", { type: "button", onclick: () => this.stop() }, "Stop waiting");
    const state = h("span", { class: "quiet" }, "Calling …");
    show(this.#head, state, cancel);
    const started = performance.now();
    try {
      let answer = await this.#asked(raw, form);
      let data = await this.#read(answer, state);
      if (!wanted && form !== "json" && answer.status === 406) {
        // What it is differs from call to call: then it is had as JSON.
        answer = await this.#asked(raw, "json");
        data = await this.#read(answer, state);
      }
      const taken = performance.now() - started;
      this.#tell(answer, data, taken);
      try {
        await this.#show(answer, data);
      } catch (error) {
        // It was promised in another form, or is too deep to be read: it can still be saved.
        show(
          this.#body,
          h("p", { class: "notice" }, `It cannot be shown: ${error.message}.`),
          await beginning(data.blob),
        );
      }
    } catch (error) {
      show(this.#head);
      if (error.name === "AbortError") show(this.#body, h("p", { class: "quiet" }, "Nobody waits for it any more."));
      else show(this.#body, h("p", { class: "trouble", role: "alert" }, error.message));
    }
  }

  #asked(raw, form) {
    const path = callPath(this.#method.name, { format: form, datastack: this.#datastack });
    return this.#session.ask(path, { raw, signal: this.#stop.signal });
  }

  async #read(answer, state) {
    const parts = [];
    let size = 0;
    let cut = false;
    const reader = answer.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      size += value.length;
      if (size > READ) show(state, `${bytes(size)} so far …`);
      if (size > MOST) {
        cut = true;
        await reader.cancel();
        break;
      }
    }
    return { blob: new Blob(parts), size, cut };
  }

  #tell(answer, { blob, size, cut }, taken) {
    const trip = upstream(answer);
    const url = URL.createObjectURL(blob);
    this.#urls.push(url);
    const kind = (answer.headers.get("Content-Type") ?? "").split(";")[0];
    const ending = { "application/json": "json", "text/csv": "csv", "application/x-npy": "npy" }[kind] ?? "bin";
    show(
      this.#head,
      !answer.ok && h("span", { class: "badge bad" }, `error, status ${answer.status}`),
      verdict(answer),
      h("span", { class: "badge quiet" }, milliseconds(taken)),
      trip && h("span", { class: "badge quiet" }, `${trip} at the service`),
      h("span", { class: "badge quiet" }, bytes(size)),
      answer.ok &&
        h(
          "a",
          { class: "button", href: url, download: `${this.#method.name}.${ending}` },
          cut ? `Save the first ${bytes(size)}` : "Save as a file",
        ),
      cut && h("span", { class: "badge warn" }, "cut off: it is larger than a browser holds; use the SDK or curl"),
    );
  }

  async #show(answer, { blob, size }) {
    if (!answer.ok) return show(this.#body, await refusal(blob));
    const kind = (answer.headers.get("Content-Type") ?? "").split(";")[0];
    if (kind === "application/x-npy") return show(this.#body, arrayView(npy(await blob.arrayBuffer())));
    if (kind === "application/octet-stream") return show(this.#body, await this.#bytes(blob));
    if (size > READ) return show(this.#body, await beginning(blob));
    const text = await blob.text();
    if (kind === "text/csv") return show(this.#body, rowsView(csv(text)));
    return show(this.#body, this.#value(parse(text), text));
  }

  #value(value, text) {
    const held = value?.$binary?.base64 ?? value?.$ndarray?.base64;
    if (typeof held === "string" && text.length > LONG_HELD) {
      return [h("p", { class: "quiet" }, "The result is binary; choose another form of it to see more."), tree(value)];
    }
    const rows = tabular(value) ?? tabular(value?.[this.#items(value)]);
    const views = {
      tree: () => tree(value),
      text: () => h("pre", { tabindex: "0" }, text.length < READ / 8 ? written(value, 2) : text),
    };
    if (rows) views.table = () => rowsView(rows);
    return tabs(views, rows ? "table" : "tree");
  }

  /** The member of a page of a list that holds the list. */
  #items(value) {
    const named = this.#method.extra.page?.items;
    if (named !== undefined) return named;
    const lists =
      value !== null && typeof value === "object"
        ? Object.keys(value).filter((name) => Array.isArray(value[name]))
        : [];
    return lists.length === 1 ? lists[0] : undefined;
  }

  async #bytes(blob) {
    const first = new Uint8Array(await blob.slice(0, 512).arrayBuffer());
    const picture = PICTURES.find(([, magic]) => magic.every((one, at) => first[at] === one));
    if (picture) {
      const url = URL.createObjectURL(blob.slice(0, blob.size, picture[0]));
      this.#urls.push(url);
      return h("img", { class: "picture", src: url, alt: `The result of ${this.#method.name}` });
    }
    const text = new TextDecoder().decode(first);
    if (!/[\0-\x08\x0e-\x1f\ufffd]/.test(text)) return beginning(blob);
    const hex = Array.from(first.subarray(0, 256), (one) => one.toString(16).padStart(2, "0"));
    const lines = Array.from({ length: Math.ceil(hex.length / 16) }, (_, at) =>
      hex.slice(at * 16, at * 16 + 16).join(" "),
    );
    return h("pre", { tabindex: "0" }, lines.join("\n") + (blob.size > 256 ? "\n…" : ""));
  }
}

const LONG_HELD = 4096;

/** Several views of one thing, made when they are looked at. */
function tabs(views, chosen) {
  const place = h("div", null);
  const buttons = Object.keys(views).map((name) =>
    h("button", { type: "button", class: "tab", onclick: () => choose(name) }, name),
  );
  function choose(name) {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.textContent === name));
    show(place, views[name]());
  }
  choose(chosen);
  return [h("div", { class: "tabs", role: "group", "aria-label": "View" }, buttons), place];
}

async function beginning(blob) {
  const text = await blob.slice(0, BEGINNING).text();
  const note =
    blob.size > BEGINNING
      ? h(
          "p",
          { class: "notice" },
          `${bytes(blob.size)}: the first ${bytes(BEGINNING)} are shown. Save it as a file to have all of it.`,
        )
      : null;
  return [note, h("pre", { tabindex: "0" }, text)];
}

async function refusal(blob) {
  const text = await blob.slice(0, READ).text();
  try {
    const error = parse(text);
    return [h("p", { class: "trouble", role: "alert" }, String(error.message ?? text)), tree(error)];
  } catch {
    return h("pre", { class: "trouble" }, text.slice(0, BEGINNING));
  }
}
