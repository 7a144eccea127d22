// Who asks the gate? The token lives in this object and nowhere else: no cookie, no storage, no address.

const BASE = new URL(".", document.baseURI);

/** What the gate answered where it answered no result. */
export class Refused extends Error {
  constructor(status, error, response) {
    super(error?.message ?? `The gate answered ${status}.`);
    this.status = status;
    this.error = error ?? null;
    this.response = response ?? null;
  }
}

export class Session extends EventTarget {
  #token = null;
  #waiting = null;
  #signIn;

  /** `signIn` asks for a token, told why, and gives it, or null where nobody gives one. */
  constructor(signIn) {
    super();
    this.#signIn = signIn;
    this.who = null;
    this.about = null;
    this.#takeFragment();
    addEventListener("hashchange", () => this.#takeFragment() && this.start());
  }

  /** A token in the address leaves it at once, and stays in no history. */
  #takeFragment() {
    const found = /^#token=([^&]+)/.exec(location.hash);
    if (!found) return false;
    history.replaceState(null, "", location.pathname + location.search);
    this.#token = decodeURIComponent(found[1]);
    return true;
  }

  /** Whether there is a token; without one the gate may let somebody in as anonymous. */
  get signed() {
    return this.#token !== null;
  }

  /** Find out who asks; asks for a token until one holds. */
  async start() {
    const before = this.who && `${this.who.issuer} ${this.who.subject}`;
    this.who = await this.json("-/whoami");
    this.about = await this.json("-/console");
    if (before !== `${this.who.issuer} ${this.who.subject}`) this.dispatchEvent(new Event("who"));
  }

  /** Forget the token, and begin anew. */
  forget() {
    this.#token = null;
    location.reload();
  }

  /** Give another token. */
  async change() {
    if (await this.#renew("", { needed: false })) await this.start();
  }

  /** The answer of the gate at a path of its own, relative to where this page is; a 401 asks for a token and tries again. */
  async ask(path, { method = "GET", json, raw, headers = {}, signal } = {}) {
    for (;;) {
      const sent = this.#token;
      const given = { ...headers };
      if (sent !== null) given.Authorization = `Bearer ${sent}`;
      const body = raw ?? (json === undefined ? undefined : JSON.stringify(json));
      if (body !== undefined) given["Content-Type"] = "application/json";
      let answer;
      try {
        answer = await fetch(new URL(path, BASE), {
          method: body === undefined ? method : "POST",
          headers: given,
          body,
          signal,
          credentials: "omit",
          redirect: "error",
          referrerPolicy: "no-referrer",
        });
      } catch (error) {
        if (error.name === "AbortError") throw error;
        throw new Refused(0, { message: "The gate cannot be reached." });
      }
      if (answer.status !== 401) {
        const version = answer.headers.get("Labgate-Catalog");
        if (version) this.dispatchEvent(new CustomEvent("catalog", { detail: version }));
        return answer;
      }
      const why = (await read(answer))?.message ?? "";
      // Another request may have been given a new one meanwhile.
      if (this.#token === sent && !(await this.#renew(sent === null ? "" : why))) {
        throw new Refused(401, { message: "Nobody has signed in." }, answer);
      }
    }
  }

  /** The answer as JSON; raises `Refused` where it is no success. */
  async json(path, how) {
    const answer = await this.ask(path, how);
    if (!answer.ok) throw new Refused(answer.status, await read(answer), answer);
    return answer.json();
  }

  /** The result of a method by its own name. Params are an object; their numbers are those that JavaScript has. */
  async call(method, params = {}, datastack = null) {
    return this.json(callPath(method, { datastack }), { json: params });
  }

  #renew(why, how) {
    // One question at a time, however many requests have failed.
    this.#waiting ??= this.#signIn(why, how).then((token) => {
      this.#waiting = null;
      if (token === null) return false;
      this.#token = token;
      this.dispatchEvent(new Event("token"));
      return true;
    });
    return this.#waiting;
  }
}

/** Where a method is called, relative to the page. */
export function callPath(method, { format, datastack } = {}) {
  const query = new URLSearchParams();
  if (datastack) query.set("datastack", datastack);
  if (format) query.set("format", format);
  const written = query.toString();
  return `rpc/${encodeURIComponent(method)}${written && `?${written}`}`;
}

/** The error that an answer holds, null where it holds none. */
export async function read(answer) {
  try {
    const said = await answer.json();
    return said.error ?? said;
  } catch {
    return null;
  }
}
