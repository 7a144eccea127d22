// What is some data of a version that has no voxels? What the service says of it, and where it is.

import { copy } from "./dialogs.js";
import { badge, h } from "./dom.js";
import { tree } from "./json_view.js";
import { urlOf } from "./new_volume.js";
import { to } from "./route.js";
import { volumePage } from "./volume_page.js";

/** The page of some data: as a volume where it is one. */
export async function instancePage(context, service, node, instance, query) {
  try {
    return await volumePage(context, service, node, instance, query);
  } catch (error) {
    // Only the service knows what has voxels: it refuses what has none as a parameter that does not fit.
    if (error.error?.data?.fault !== "InvalidParams" || !context.catalog.byName.has(`${service}.info`)) throw error;
  }
  const info = await context.session.call(`${service}.info`, { node, instance });
  const type = info.Base?.TypeName ?? "";
  // Those with names of their own before those that stand for the service's addresses.
  const depth = ({ name }) => name.split(".").length;
  const related = context.catalog.methods
    .filter(
      (one) => one.service === service && one.extra.safe && one.params?.some((param) => param.name === "instance"),
    )
    .sort((one, other) => depth(one) - depth(other));
  const url = urlOf(context, service, node, instance);
  return {
    element: h(
      "article",
      { class: "method" },
      h("h2", null, instance),
      h("p", { class: "badges" }, type && badge(type, "info"), `version ${node.slice(0, 8)}`),
      h("h3", null, "What the service says of it"),
      tree(info),
      h("h3", null, "Where it is"),
      h(
        "div",
        { class: "row" },
        h("code", { class: "grow" }, url),
        h("button", { type: "button", onclick: () => copy(url) }, "Copy the address"),
      ),
      h("h3", null, "What can be asked of data"),
      h(
        "ul",
        null,
        related.map((one) =>
          h(
            "li",
            null,
            h("a", { href: to("methods", [one.name]) }, h("code", null, one.name)),
            ` ${one.summary ?? ""}`,
          ),
        ),
      ),
    ),
  };
}
