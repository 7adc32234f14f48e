// Buttons that copy a text.

import { el, say, setText } from "./dom.js";

/** So long the button says that it has copied. */
const SAID = 2_000;

/** A button that copies `text`; `what` it is, for those who only hear the button. */
export function copy(text, what) {
  const button = el("button", { type: "button", class: "copy", "aria-label": `Copy ${what}` }, "Copy");
  button.addEventListener("click", async () => {
    const done = await write(text);
    setText(button, done ? "Copied" : "Press Ctrl+C");
    say(done ? `Copied ${what}.` : "This browser copies only by hand: press Ctrl+C.");
    if (!done) mark(button.previousElementSibling);
    setTimeout(() => setText(button, "Copy"), SAID);
  });
  return button;
}

/** Over plain HTTP only 127.0.0.1 and localhost have the clipboard; elsewhere the old way mostly works. */
async function write(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const focused = document.activeElement;
    const field = el("textarea", { class: "unseen", readonly: true, "aria-hidden": "true" });
    field.value = text;
    (document.querySelector("dialog[open]") ?? document.body).append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    focused?.focus();
    return done;
  }
}

function mark(node) {
  if (node) getSelection().selectAllChildren(node);
}
