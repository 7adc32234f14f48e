// Asks before something is done that cannot be taken back.

import { el } from "./dom.js";

/** Answers the reason given (perhaps empty), or null when it is not to be done. */
export function confirm({ title, text, action, reason }) {
  const { promise, resolve } = Promise.withResolvers();
  const input = reason && el("input", { id: "ask-reason", maxlength: 200, autocomplete: "off" });
  const dialog = el("dialog", { "aria-labelledby": "ask-title" },
    el("form", { method: "dialog" },
      el("h2", { id: "ask-title" }, title),
      el("p", {}, text),
      input && [el("label", { for: "ask-reason" }, reason), input],
      el("p", { class: "buttons" },
        el("button", { type: "button", onclick: () => dialog.close("") }, "Cancel"),
        el("button", { type: "submit", value: "yes", class: "main" }, action))));
  dialog.addEventListener("close", () => {
    resolve(dialog.returnValue === "yes" ? (input?.value ?? "") : null);
    dialog.remove();
  });
  document.body.append(dialog);
  dialog.showModal();
  return promise;
}
