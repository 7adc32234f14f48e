// Runs by status; each line is a link that narrows the list to it.

import { $, el, reconcile, setText, svg } from "./dom.js";
import { brief } from "./format.js";
import { STATUSES } from "./words.js";

export const badge = (status) => el("span", { class: "status", "data-status": status }, status);

const table = el("ul", { class: "statuses" });

export function show(summary) {
  if (!table.isConnected) $("statuses").append(table);
  const all = STATUSES.map((status) => [status, summary.statuses[status] ?? 0]);
  const most = Math.max(1, ...all.map(([, n]) => n));
  reconcile(table, all, ([status]) => status, make, (item, [, n]) => {
    setText(item.querySelector(".number"), brief(n));
    item.querySelector(".filled").setAttribute("width", `${((100 * n) / most).toFixed(1)}%`);
  });
}

function make([status]) {
  const bar = svg("svg", { class: "meter", height: 4, "aria-hidden": "true" }, svg("rect", { class: "filled", height: 4, rx: 2, width: "0%" }));
  return el("li", { "data-status": status },
    el("a", { class: "status-link", href: `#/?status=${status}` }, badge(status), bar, el("span", { class: "number" })));
}
