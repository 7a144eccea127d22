// What may be called? The list as the gate renders it for whoever asks, made fit for searching.

const OWN = "x-labgate";

export class Catalog {
  constructor(document, datastack) {
    this.datastack = datastack;
    this.version = document[OWN]?.catalog ?? "";
    this.datastacks = document[OWN]?.datastacks ?? [];
    this.local = document[OWN]?.local ?? {};
    this.namespaces = document[OWN]?.namespaces ?? {};
    this.schemas = document.components?.schemas ?? {};
    this.methods = document.methods.map((one) => ({
      ...one,
      service: one.tags?.[0]?.name ?? one.name.split(".", 1)[0],
      extra: one[OWN] ?? {},
      hay: `${one.name} ${one.summary ?? ""}`.toLowerCase(),
    }));
    this.byName = new Map(this.methods.map((one) => [one.name, one]));
  }

  /** Methods that hold every word, those first whose name holds the first word. */
  find(text, service = "", onlySafe = false) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const named = [];
    const others = [];
    for (const one of this.methods) {
      if (service && one.service !== service) continue;
      if (onlySafe && !one.extra.safe) continue;
      if (!words.every((word) => one.hay.includes(word))) continue;
      (words.length && !one.name.toLowerCase().includes(words[0]) ? others : named).push(one);
    }
    return named.concat(others);
  }

  /** The services of the list, with how many methods each has. */
  services() {
    const found = new Map();
    for (const one of this.methods) found.set(one.service, (found.get(one.service) ?? 0) + 1);
    return [...found].sort(([one], [other]) => (one < other ? -1 : 1));
  }

  /** A schema without references at its top. */
  resolved(schema) {
    let found = schema ?? {};
    for (let depth = 0; found.$ref && depth < 8; depth += 1) {
      found = this.schemas[found.$ref.replace("#/components/schemas/", "")] ?? {};
    }
    return found;
  }
}

/** Fetches lists, and keeps those that still hold. */
export class Catalogs {
  #session;
  #kept = new Map();

  constructor(session) {
    this.#session = session;
    session.addEventListener("who", () => this.#kept.clear());
  }

  /** The list with this datastack's services, or of the global ones. */
  async get(datastack = "") {
    const path = `openrpc.json${datastack && `?datastack=${encodeURIComponent(datastack)}`}`;
    const kept = this.#kept.get(datastack);
    const headers = kept ? { "If-None-Match": kept.tag } : {};
    const answer = await this.#session.ask(path, { headers });
    if (answer.status === 304) return kept.catalog;
    if (!answer.ok) throw new Error((await answer.json())?.message ?? `The list cannot be had: ${answer.status}.`);
    const catalog = new Catalog(await answer.json(), datastack);
    this.#kept.set(datastack, { catalog, tag: answer.headers.get("ETag") });
    return catalog;
  }
}
