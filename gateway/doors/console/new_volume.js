// How is new data specified? A name, a type, and what its voxels are; made at once, or by a snippet.

import { copy, say } from "./dialogs.js";
import { choice, field, h, show } from "./dom.js";
import { python } from "./json.js";
import { go } from "./route.js";
import { connecting, reachable } from "./snippets.js";

const DTYPES = [
  ["uint8", "uint8, grey values"],
  ["uint16", "uint16"],
  ["uint32", "uint32"],
  ["uint64", "uint64, labels"],
  ["float32", "float32"],
];

export function newVolume(context, service, repo, node) {
  const { session, catalog } = context;
  const method = catalog.byName.get(`${service}.create_volume`);
  const name = h("input", { autocomplete: "off", spellcheck: "false", "aria-required": "true" });
  const dtype = choice(DTYPES, "uint8");
  const [shape, block, resolution] = Array.from({ length: 3 }, () =>
    h("input", { autocomplete: "off", placeholder: "z, y, x" }),
  );
  const units = h("input", { autocomplete: "off", value: "nanometers" });
  const create = h("button", { type: "button", class: "primary" }, "Make it");
  const snippet = h("pre", { tabindex: "0", class: "snippet" });
  const address = h("code", null);
  const out = h("div", { "aria-live": "polite" });
  const form = h(
    "div",
    { class: "form" },
    field("Name", name, "Of the new data; no other in this repository has it."),
    field("Pixel type", dtype),
    field("Shape", shape, "How many voxels; empty: it grows with what is written."),
    field("Block", block, "Of how many voxels; empty: as the service likes it."),
    field("Voxel size", resolution),
    field("Unit", units),
  );
  const triple = (box) =>
    box.value.trim()
      ? box.value
          .split(/[,\s×x]+/)
          .filter(Boolean)
          .map(Number)
      : null;

  function said() {
    const found = { node: node.uuid, instance: name.value.trim(), dtype: dtype.value };
    const lists = { shape: triple(shape), block_shape: triple(block), resolution: triple(resolution) };
    for (const [key, value] of Object.entries(lists)) {
      if (value === null) continue;
      if (value.length !== 3 || value.some((one) => !(one > 0)))
        throw new Error(`${key.replace("_", " ")} is three numbers: z, y, x.`);
      found[key] = value;
    }
    if (found.resolution) found.units = Array(3).fill(units.value.trim() || "nanometers");
    return found;
  }

  function draw() {
    const taken = repo.instances.some((one) => one.name === name.value.trim());
    let params = null;
    show(out);
    try {
      params = said();
    } catch (error) {
      show(out, h("p", { class: "trouble" }, error.message));
    }
    if (taken) show(out, h("p", { class: "trouble" }, "The repository has data of this name already."));
    create.disabled = !method || !params?.instance || taken;
    const { node: uuid, instance, ...more } = params ?? said_empty(node);
    show(address, urlOf(context, service, uuid, instance || "NAME"));
    const given = Object.entries(more).map(([key, value]) => `${key}=${python(value)}`);
    show(
      snippet,
      `${connecting(reachable(session.about.address), "")}lab.${service}.create_volume(${[python(uuid), python(instance || "NAME"), ...given].join(", ")})\n`,
    );
  }

  create.addEventListener("click", async () => {
    create.disabled = true;
    try {
      const params = said();
      await session.call(method.name, params);
      say(`${params.instance} was made.`);
      go("contents", ["repositories", service, repo.root, node.uuid, params.instance]);
    } catch (error) {
      show(out, h("p", { class: "trouble", role: "alert" }, error.message));
      create.disabled = false;
    }
  });
  form.addEventListener("input", draw);
  draw();
  return [
    h("h3", null, "New data in this version"),
    form,
    out,
    h(
      "div",
      { class: "row" },
      h("span", { class: "grow" }, "It will be at ", address),
      h("button", { type: "button", class: "plain", onclick: () => copy(address.textContent) }, "Copy"),
    ),
    snippet,
    h(
      "div",
      { class: "buttons start" },
      create,
      h("button", { type: "button", onclick: () => copy(snippet.textContent) }, "Copy the snippet"),
    ),
    !method &&
      h("p", { class: "notice" }, `You may not call ${service}.create_volume: somebody who may can use the snippet.`),
  ];
}

function said_empty(node) {
  return { node: node.uuid, instance: "", dtype: "uint8" };
}

/** Where data is for programs: below the service's mount as its own clients have it, or else as the gate's plain URL. */
export function urlOf({ session, catalog }, service, node, instance) {
  const address = reachable(session.about.address);
  const mount = catalog.namespaces[service]?.mount;
  const path = `${encodeURIComponent(node)}/${encodeURIComponent(instance)}`;
  if (mount) return `${address}${mount.replace(/\/$/, "")}/api/node/${path}`;
  return `${address}/rpc/${service}.volume?${new URLSearchParams({ node, instance })}`;
}
