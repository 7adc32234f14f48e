// The reader's choice of the zone in which times are shown.

import { $, el, setAttribute } from "./dom.js";
import { isLocal, offset, setLocal } from "./time.js";

/** Puts the choice into the head of the page; `changed` draws every time anew. */
export function mount(changed) {
  const choices = [[false, "UTC", null], [true, `Local ${offset()}`, Intl.DateTimeFormat().resolvedOptions().timeZone]];
  const buttons = choices.map(([wanted, title, name]) => el("button", { type: "button", title: name, onclick: () => choose(wanted) }, title));
  const draw = () => buttons.forEach((button, at) => setAttribute(button, "aria-pressed", choices[at][0] === isLocal()));
  const choose = (wanted) => {
    setLocal(wanted);
    draw();
    changed();
  };
  draw();
  $("zone").append(el("span", { class: "quiet" }, "Times in"), ...buttons);
}
