// What may somebody do by the policies?

import { badge, choice, facts, field, h, show, table } from "./dom.js";
import { count } from "./words.js";

function asked(who) {
  const query = new URLSearchParams();
  if (who.anonymous) query.set("anonymous", "1");
  else query.set("subject", who.subject || "somebody");
  for (const one of who.groups ?? []) query.append("group", one);
  for (const one of who.scopes ?? []) query.append("scope", one);
  return query;
}

/** What a principal may do, as an element: by service, and of a service by method. */
export async function mayDo(session, who) {
  const said = await session.json(`-/policies?${asked(who)}`);
  const { principal, services } = said;
  const sizes = new Map(services.map((one) => [one.service, one.methods]));
  const open = principal.services.filter((one) => one.allowed);
  const detail = h("div", null);
  const service = choice(
    [["", "choose a service"], ...open.map((one) => [one.service, one.service])],
    "",
    async (name) => {
      if (!name) return show(detail);
      const query = asked(who);
      query.set("service", name);
      const { principal: found } = await session.json(`-/policies?${query}`);
      const rows = Object.entries(found.methods).map(([method, number]) => [
        h("code", null, method),
        number === null ? badge("refused", "bad") : badge(`policy ${number}`, "good"),
      ]);
      return show(detail, table(`Methods of ${name}`, ["Method", "Let in by"], rows));
    },
  );
  return h(
    "div",
    { class: "dialog-body" },
    facts([
      ["Policies that speak of them", principal.policies.join(", ") || "none: nothing is let through"],
      ["Operates the gate", principal.operates ? "yes" : "no"],
    ]),
    open.length
      ? table(
          "Services",
          ["Service", "Methods"],
          open.map((one) => [
            h("code", null, one.service),
            one.allowed === sizes.get(one.service)
              ? `all ${count(one.allowed)}`
              : `${count(one.allowed)} of ${count(sizes.get(one.service))}`,
          ]),
          [1],
        )
      : h("p", { class: "notice" }, "They may call no method."),
    open.length > 0 && field("Each method of", service),
    detail,
  );
}
