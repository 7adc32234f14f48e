// Runs by status; each is a link that narrows the list to it.

import { $, el, reconcile, setText, svg } from "./dom.js";
import { brief, instant } from "./format.js";
import { FINAL, OPEN } from "./words.js";

export const badge = (status) => el("span", { class: "status", "data-status": status }, status);

const table = el("ul", { class: "statuses" });
const note = el("p", { class: "quiet" });

export function show(summary) {
  if (!table.isConnected) $("statuses").append(table, note);
  const open = OPEN.map((status) => [status, summary.statuses[status] ?? 0]);
  const ended = FINAL.map((status) => [status, summary.counters.ended[status] ?? 0]);
  const all = [...open, ...ended];
  const most = Math.max(1, ...all.map(([, n]) => n));
  reconcile(table, all, ([status]) => status, make, (item, [, n]) => {
    setText(item.querySelector(".number"), brief(n));
    item.querySelector(".filled").setAttribute("width", `${((100 * n) / most).toFixed(1)}%`);
  });
  setText(note, `Ended runs are counted since ${instant(summary.beganAt)}.`);
}

function make([status]) {
  const bar = svg("svg", { class: "meter", height: 4, "aria-hidden": "true" }, svg("rect", { class: "filled", height: 4, rx: 2, width: "0%" }));
  return el("li", { "data-status": status },
    el("a", { href: `#/?status=${status}` }, badge(status), el("span", { class: "number" })), bar);
}
