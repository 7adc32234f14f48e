// How long the phases of a start take: p50, p95, p99 of the last hour, and what they look like beside each other.

import { $, el, setText, svg } from "./dom.js";
import { duration, whole } from "./format.js";

const PHASES = [
  ["queue", "Queue", "until RunTask is called"],
  ["provisioning", "Provisioning", "until the pull"],
  ["pull", "Pull", "of the images"],
  ["start", "Start", "until RUNNING"],
  ["total", "Total", ""],
];
const SHARES = ["p50", "p95", "p99"];
const rows = new Map();

function make() {
  const body = el("tbody");
  for (const [phase, title, what] of PHASES) {
    const cells = Object.fromEntries([...SHARES, "count"].map((name) => [name, el("td", { class: "number" })]));
    const range = svg("rect", { y: 5, height: 4, rx: 2, class: "range" });
    const median = svg("rect", { y: 2, height: 10, width: 3, class: "median" });
    const picture = svg("svg", { class: "ranges", height: 14, "aria-hidden": "true" }, range, median);
    body.append(el("tr", { class: phase === "total" ? "sum" : null },
      el("th", { scope: "row" }, el("i", { class: "key", "data-phase": phase }), title, " ", el("span", { class: "quiet what" }, what)),
      Object.values(cells), el("td", { class: "picture" }, picture)));
    rows.set(phase, { cells, range, median });
  }
  const head = ["Phase", ...SHARES, "Tasks"].map((name, at) => el("th", { scope: "col", class: at ? "number" : null }, name));
  $("phases").append(
    el("table", { class: "figures" }, el("thead", {}, el("tr", {}, head, el("th", { scope: "col", class: "picture" }, "p50 to p99"))), body),
    el("p", { class: "quiet" }, "Tasks that started in the last hour, by ECS's timestamps."));
}

export function show({ phases }) {
  if (!rows.size) make();
  const longest = Math.max(...PHASES.map(([phase]) => phases[phase].p99), 0.001);
  for (const [phase, { cells, range, median }] of rows) {
    const spread = phases[phase];
    for (const share of SHARES) setText(cells[share], spread.count ? duration(spread[share]) : "–");
    setText(cells.count, whole(spread.count));
    const percent = (value) => `${((98 * value) / longest).toFixed(2)}%`;
    range.setAttribute("x", percent(spread.p50));
    range.setAttribute("width", percent(spread.p99 - spread.p50));
    median.setAttribute("x", percent(spread.p50));
    median.setAttribute("visibility", spread.count ? "visible" : "hidden");
  }
}
