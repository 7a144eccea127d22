// What is in a datastack? Its services, and what is said of it.

import { facts, h } from "./dom.js";
import { tree } from "./json_view.js";
import { to } from "./route.js";
import { connecting, reachable } from "./snippets.js";
import { many } from "./words.js";

export async function datastackPage({ session, catalog, catalogs }, name) {
  const local = await catalogs.get(name);
  const services = Object.entries(catalog.local)
    .filter(([, stacks]) => stacks.includes(name))
    .map(([service]) => service);
  const sizes = new Map(local.services());
  const said = catalog.methods.find((one) => one.name.endsWith(".get_datastack_info") && one.params?.length);
  let info = null;
  if (said) {
    try {
      info = await session.call(said.name, { [said.params[0].name]: name });
    } catch {
      // It is told of below by its services alone.
    }
  }
  const plain = (value) => value !== null && typeof value !== "object";
  return {
    element: h(
      "article",
      { class: "method" },
      h("h2", null, name),
      info &&
        facts(
          Object.entries(info)
            .filter(([, value]) => plain(value))
            .map(([key, value]) => [key.replaceAll("_", " "), String(value)]),
        ),
      info &&
        Object.values(info).some((value) => !plain(value)) &&
        h("details", null, h("summary", null, "All of it"), tree(info)),
      h("h3", null, "Services of its own"),
      h(
        "ul",
        null,
        services.map((one) =>
          h(
            "li",
            null,
            h("a", { href: to("methods", [], { datastack: name, service: one }) }, one),
            ` ${many(sizes.get(one) ?? 0, "method")}`,
          ),
        ),
      ),
      h("h3", null, "Use it"),
      h("pre", { tabindex: "0", class: "snippet" }, `${connecting(reachable(session.about.address), name)}`),
    ),
  };
}
