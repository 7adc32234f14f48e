// The fleet: its processes, its cells, and who serves which. A cell that nobody serves stands out.

import { $, el, reconcile, setAttribute, setText } from "./dom.js";
import { brief } from "./format.js";
import { moment, write } from "./time.js";

const processes = el("tbody");
const cells = el("tbody");

function table(title, columns, body) {
  return el("div", { class: "scroll" }, el("table", { class: "fleet" },
    el("caption", {}, title), el("thead", {}, el("tr", {}, columns.map((column) => el("th", { scope: "col" }, column)))), body));
}

function mount() {
  $("fleet").append(
    table("Cells", ["Cell", "Served by", "Times taken", "Open runs"], cells),
    table("Processes", ["Process", "Version", "Since", "Last beat", "Cells"], processes));
}

const row = (head, count) => el("tr", {}, el("th", { scope: "row" }, head), Array.from({ length: count }, () => el("td")));

function makeProcess({ id, since }) {
  const made = row(id, 4);
  made.children[2].append(moment(since));
  return made;
}

function updateProcess(node, { version, since, lastBeatSecondsAgo, cells }) {
  setText(node.children[1], version);
  write(node.querySelector("time"), since);
  setText(node.children[3], `${lastBeatSecondsAgo.toFixed(1)} s ago`);
  setText(node.children[4], cells.join(", ") || "none");
}

function updateCell(node, { owner, epoch, open }) {
  setText(node.children[1], owner ?? "nobody");
  setAttribute(node.children[1], "class", owner === null ? "bad" : null);
  setText(node.children[2], brief(epoch));
  setText(node.children[3], open === null ? "unknown" : brief(open));
}

export function show({ fleet }) {
  const panel = $("fleet").closest("section");
  panel.hidden = !fleet;
  setText($("what"), fleet ? "fleet" : "cell");
  if (!fleet) return;
  if (!cells.isConnected) mount();
  const unserved = fleet.cells.filter(({ owner }) => owner === null).length;
  setText($("fleet-title"), `Fleet: ${brief(fleet.processes.length)} processes, ${brief(fleet.cells.length)} cells${unserved ? `, ${brief(unserved)} not served` : ""}`);
  reconcile(cells, fleet.cells, ({ name }) => name, ({ name }) => row(name, 3), updateCell);
  reconcile(processes, fleet.processes, ({ id }) => id, makeProcess, updateProcess);
}
