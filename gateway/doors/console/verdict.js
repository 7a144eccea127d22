// What did the cache do, and why? From `Cache-Status` (RFC 9211) and `Server-Timing` to words.

import { badge } from "./dom.js";
import { milliseconds, span } from "./words.js";

// In an answer this could be taken for what became of it.
const WORDS = { "not stored": "nothing was stored of it" };

/** Which way it went, in a badge, with all that is known of it. */
export function verdict(answer) {
  const said = answer.headers.get("Cache-Status");
  if (!said) return null;
  const found = members(said);
  const why = found.detail ? `: ${WORDS[found.detail] ?? found.detail}` : "";
  if (found.hit && found.ttl !== undefined && Number(found.ttl) < 0)
    return badge(`stale, from the cache${why}`, "warn", said);
  if (found.hit)
    return badge(`from the cache${found.ttl ? `, fresh for ${span(Number(found.ttl))}` : ""}${why}`, "good", said);
  if (found.fwd === "bypass") return badge(`past the cache${why}`, "quiet", said);
  return badge(`from the service${found.stored ? ", stored now" : why}`, "info", said);
}

/** Milliseconds at the service, null where none was asked. */
export function upstream(answer) {
  const found = /upstream;dur=([\d.]+)/.exec(answer.headers.get("Server-Timing") ?? "");
  return found ? milliseconds(Number(found[1])) : null;
}

function members(said) {
  const found = {};
  for (const part of said.split(/;\s*(?=(?:[^"]*"[^"]*")*[^"]*$)/).slice(1)) {
    const [name, value] = part.split(/=(.*)/s, 2);
    found[name.trim()] = value === undefined ? true : value.replace(/^"|"$/g, "");
  }
  return found;
}
