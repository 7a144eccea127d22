// What is the console? Panels of one page: which there are depends on who looks.

import { Catalogs } from "./catalog.js";
import { askForToken, say } from "./dialogs.js";
import { h, show } from "./dom.js";
import { attendKeys, help, setKeys, setPanels } from "./keys.js";
import { here, to } from "./route.js";
import { Refused, Session } from "./session.js";

const PANELS = [
  { name: "methods", title: "Methods", key: "m", load: () => import("./methods.js") },
  { name: "contents", title: "Contents", key: "c", load: () => import("./contents.js") },
  { name: "explain", title: "Explain", key: "e", load: () => import("./explain.js") },
  { name: "services", title: "Services", key: "s", operators: true, load: () => import("./services.js") },
  { name: "traffic", title: "Traffic", key: "t", operators: true, load: () => import("./traffic.js") },
  { name: "latency", title: "Latency", key: "l", operators: true, load: () => import("./latency.js") },
  { name: "cache", title: "Cache", key: "k", operators: true, load: () => import("./cache.js") },
  { name: "tokens", title: "Tokens", key: "o", operators: true, load: () => import("./tokens.js") },
  { name: "policies", title: "Policies", key: "p", operators: true, load: () => import("./policies.js") },
  { name: "audit", title: "Audit", key: "a", operators: true, load: () => import("./audit.js") },
];

const main = document.getElementById("main");
const nav = document.getElementById("panels");
const account = document.getElementById("account");
const session = new Session(askForToken);
const lab = { session, catalogs: new Catalogs(session) };
let shown = null;
let visits = 0;

function mine() {
  return PANELS.filter((one) => !one.operators || session.about?.operates);
}

function drawBar(current) {
  show(
    nav,
    mine().map((one) =>
      h(
        "a",
        { href: to(one.name), "aria-current": one.name === current ? "page" : null, title: `g ${one.key}` },
        one.title,
      ),
    ),
  );
  nav.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  const { who } = session;
  const name = who?.anonymous ? "anonymous" : who?.subject;
  const until = who?.expires ? `, until ${new Date(who.expires * 1000).toLocaleString("sv-SE")}` : "";
  const groups = who?.groups?.length ? `, of ${who.groups.join(", ")}` : "";
  show(
    account,
    h("span", { class: "name", title: `${name} by ${who?.issuer}${groups}${until}` }, name),
    h(
      "button",
      { type: "button", class: "plain", onclick: () => session.change() },
      session.signed ? "Change token" : "Sign in",
    ),
    session.signed && h("button", { type: "button", class: "plain", onclick: () => session.forget() }, "Sign out"),
    h(
      "button",
      { type: "button", class: "plain", title: "Keys (?)", "aria-label": "Show the keys", onclick: help },
      "?",
    ),
  );
}

async function draw() {
  const visit = (visits += 1);
  const place = here();
  const panel = mine().find((one) => one.name === place.panel) ?? PANELS[0];
  // A panel that is shown already may take the new place by itself.
  if (shown?.name === panel.name && shown.move?.(place)) return;
  shown?.leave?.();
  shown = null;
  drawBar(panel.name);
  document.title = `${panel.title} · labgate`;
  setKeys([]);
  try {
    const found = await panel.load();
    if (visit !== visits) return;
    shown = { ...(await found.open(show(main), place, lab)), name: panel.name };
    if (visit !== visits) shown?.leave?.();
    else setKeys(shown.keys ?? []);
  } catch (error) {
    if (visit === visits) show(main, trouble(error));
  }
}

function trouble(error) {
  if (!(error instanceof Refused)) console.error(error);
  return h(
    "div",
    { class: "pad" },
    h("p", { class: "trouble", role: "alert" }, error.message),
    h("button", { type: "button", onclick: begin }, "Try again"),
  );
}

async function begin() {
  try {
    await session.start();
    await draw();
  } catch (error) {
    show(main, trouble(error));
  }
}

session.addEventListener("who", () => {
  shown?.leave?.();
  shown = null;
  if (visits) draw();
});
session.addEventListener("token", () => session.start().then(() => drawBar(here().panel)));
addEventListener("hashchange", () => session.who && draw());
addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  if (event.reason?.name !== "AbortError") say(event.reason?.message ?? "Something went wrong.");
});
setPanels(Object.fromEntries(PANELS.map((one) => [one.key, to(one.name)])));
attendKeys();
show(main, h("p", { class: "quiet pad" }, "…"));
begin();
