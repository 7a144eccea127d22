// What does the page ask of whoever looks at it? The browser's own dialogs keep the focus, and give it back.

import { field, h, show } from "./dom.js";

/** Ask for a token; why is said where one does not hold any more. Null where nobody gives one, which is for those who have one. */
export function askForToken(why, { needed = true } = {}) {
  const input = h("input", {
    type: "password",
    autocomplete: "off",
    spellcheck: "false",
    required: true,
    name: "token",
  });
  const body = [
    h(
      "p",
      null,
      "The console shows what a token may see. It keeps it in this page alone, and forgets it when the page is closed.",
    ),
    why && h("p", { class: "trouble", role: "alert" }, why),
    field("Token", input, "Whoever runs the gate makes one with `labgated token create`."),
  ];
  return opened("Sign in", body, "Sign in", () => input.value.trim() || null, { lasting: needed });
}

/** Ask whether something is to be done; true or false. */
export async function confirm(title, body, deed, danger = true) {
  return (await opened(title, [body], deed, () => true, { danger })) === true;
}

/** Ask for what stands in fields: `value` reads them when somebody says yes. Null where nobody does. */
export function form(title, body, deed, value) {
  return opened(title, body, deed, value, {});
}

/** Show something until it is closed. */
export function notice(title, ...body) {
  return opened(title, body, null, () => null, {});
}

function opened(title, body, deed, value, { danger = false, lasting = false }) {
  return new Promise((resolve) => {
    const before = document.activeElement;
    let answer = null;
    const trouble = h("p", { class: "trouble", role: "alert", hidden: true });
    const close = h("button", { type: "button", class: "plain" }, deed ? "Cancel" : "Close");
    const head = h("h2", { id: "dialog-title" }, title);
    const inner = h(
      "form",
      { method: "dialog", novalidate: true },
      head,
      h("div", { class: "dialog-body" }, body),
      trouble,
      h(
        "div",
        { class: "buttons" },
        !lasting && close,
        deed && h("button", { class: danger ? "danger" : "primary" }, deed),
      ),
    );
    const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, inner);
    inner.addEventListener("submit", (event) => {
      event.preventDefault();
      try {
        answer = value();
      } catch (error) {
        trouble.hidden = false;
        show(trouble, error.message);
        return;
      }
      if (lasting && answer === null) return;
      dialog.close();
    });
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("cancel", (event) => lasting && event.preventDefault());
    dialog.addEventListener("close", () => {
      dialog.remove();
      before?.focus?.();
      resolve(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
    (dialog.querySelector("input, select, textarea") ?? dialog.querySelector("button"))?.focus();
  });
}

/** Say something in passing. */
export function say(text) {
  const place = document.getElementById("news");
  const line = h("p", null, text);
  place.append(line);
  setTimeout(() => line.remove(), 5000);
}

/** Copy a text, and say so. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    say("Copied.");
  } catch {
    notice("Copy this", h("pre", { tabindex: "0" }, text));
  }
}
