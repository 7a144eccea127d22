// What would happen to a call, and why? Asked of the gate; nothing is carried out.

import { badge, facts, h } from "./dom.js";
import { tree } from "./json_view.js";
import { read, Refused } from "./session.js";
import { many, moment, span } from "./words.js";

const KINDS = { hit: "good", stale: "warn", miss: "info", pass: "quiet", refused: "bad" };

/** The explanation of a call as an element. `raw` are the params as JSON; `as` is who would call, for operators. */
export async function explanation(session, { method, datastack, as, path, verb }, raw) {
  const operates = session.about.operates;
  const members = [];
  const put = (name, value) => value && members.push(`${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  put("method", method);
  put("datastack", datastack);
  put("path", path);
  if (path) put("verb", verb);
  if (raw && !path) members.push(`"params": ${raw}`);
  if (operates) put("as", as);
  return told(await (operates ? byDoor(session, members) : byMethod(session, members)));
}

function byDoor(session, members) {
  return session.json("-/explain", { raw: `{${members.join(", ")}}` });
}

async function byMethod(session, members) {
  const raw = `{"jsonrpc": "2.0", "id": 1, "method": "rpc.explain", "params": {${members.join(", ")}}}`;
  const answer = await session.ask("rpc", { raw });
  if (!answer.ok) throw new Refused(answer.status, await read(answer), answer);
  const said = await answer.json();
  if (said.error) throw new Refused(200, said.error, answer);
  return said.result;
}

function told(said) {
  const caller = said.caller ?? {};
  const policy = said.policy;
  const rule = said.rule;
  const entry = said.entry;
  const steps = [
    [
      "Who calls",
      caller.subject &&
        `${caller.subject}, by ${caller.issuer}${caller.groups?.length ? `, of ${caller.groups.join(", ")}` : ""}${caller.scopes?.length ? `, with ${caller.scopes.join(", ")}` : ""}`,
    ],
    [
      "Policy",
      policy
        ? `number ${policy.number} lets them: “${policy.allow}” to ${policy.to}`
        : said.refusal
          ? "none lets them"
          : null,
    ],
    ["Service", said.service],
    ["Is it safe?", said.safe === undefined ? null : said.safe ? "yes: it changes nothing" : "not known to be"],
    ["Cache rule", rule ? ruleText(rule) : "none"],
    ["Stored under", said.key && `${said.key.target ?? ""} ${said.key.params ?? ""} for ${said.key.for ?? ""}`],
    ["Found in", said.tier],
    ["Stored reply", entry && facts(Object.entries(entry).map(([name, value]) => [name, valueText(name, value)]))],
    ["Ended by", said.void_by?.length ? said.void_by.join(", ") : null],
    ["Under way now", said.in_flight ? "yes: this call would join that trip" : null],
    [
      "Would ask",
      said.upstream &&
        `${said.upstream.method ?? `${said.upstream.verb ?? ""} ${said.upstream.path ?? ""}`} at ${(said.upstream.urls ?? []).join(", ")}`,
    ],
  ];
  return h(
    "div",
    { class: "explanation" },
    h("p", { class: "outcome" }, badge(said.outcome ?? "?", KINDS[said.outcome] ?? "info"), " ", said.why ?? ""),
    facts(steps),
    h("details", null, h("summary", null, "All of it"), tree(said)),
  );
}

function ruleText(rule) {
  const parts = [rule.glob && `“${rule.glob}”`, `fresh for ${span(rule.fresh)}`];
  if (rule.stale) parts.push(`stale for ${span(rule.stale)} more`);
  parts.push(`shared with ${rule.share}`);
  if (rule.tags?.length) parts.push(`${many(rule.tags.length, "tag")}: ${rule.tags.join(", ")}`);
  return parts.filter(Boolean).join(", ");
}

function valueText(name, value) {
  if (typeof value === "object") return JSON.stringify(value);
  if (name === "age" || name === "ttl") return span(value);
  return /_until$/.test(name) ? moment(value) : String(value);
}
