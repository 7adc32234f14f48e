// The cell's bearer token: asked for once in each tab, and kept until the tab is closed.

import { $, el } from "./dom.js";

const KEY = "taskwatch.token";
let pending = null;

export const current = () => sessionStorage.getItem(KEY) ?? "";

/** Waits for another token than the one that was just refused. */
export function another(refused) {
  if (current() !== refused) return Promise.resolve();
  pending ??= form(refused !== "").finally(() => {
    pending = null;
  });
  return pending;
}

function form(wrong) {
  const { promise, resolve } = Promise.withResolvers();
  const section = $("token");
  const input = el("input", { id: "token-value", type: "password", autocomplete: "off", required: true, spellcheck: "false" });
  const done = (event) => {
    event.preventDefault();
    // A header takes no other characters.
    const given = input.value.trim().replace(/[^\x21-\x7e]/g, "");
    if (!given) return;
    sessionStorage.setItem(KEY, given);
    section.hidden = true;
    document.body.classList.remove("locked");
    resolve();
  };
  section.replaceChildren(
    el("h1", { id: "token-title" }, "This cell needs its token"),
    el("form", { onsubmit: done },
      wrong && el("p", { class: "wrong", role: "alert" }, "The cell refused this token."),
      el("label", { for: "token-value" }, "TASKWATCH_API_TOKEN"), input,
      el("p", { class: "quiet" }, "The page keeps it until this tab is closed."),
      el("button", { type: "submit", class: "main" }, "Continue")),
  );
  document.body.classList.add("locked");
  section.hidden = false;
  input.focus();
  return promise;
}
