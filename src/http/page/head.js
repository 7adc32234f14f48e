// The head of the page: which cell, whether it is ready, and whether what is shown is live.

import { $, say, setAttribute, setText } from "./dom.js";
import { clockIn, instant } from "./time.js";

let began = null;
let again = null;
let restarted = "";
let shown = null;

export function show(summary) {
  shown = summary.at;
  setText($("cell"), summary.cell);
  document.title = `${summary.cell} · taskwatch`;
  if (began !== null && began !== summary.beganAt) restarted = ` · restarted ${instant(summary.beganAt)}`;
  began = summary.beganAt;
  const ready = $("ready");
  setText(ready, summary.ready ? "Ready" : "Not ready");
  setAttribute(ready, "data-is", summary.ready ? "good" : "bad");
  setText($("since"), `${summary.version} · since ${instant(summary.beganAt)}`);
  trouble(summary.notReady.length ? `Not ready: ${summary.notReady.join("; ")}.` : null);
}

/** A line across the page, while something is wrong. */
function trouble(text) {
  $("trouble").hidden = text === null;
  setText($("trouble"), text ?? "");
}

export function hello({ cell }) {
  setText($("cell"), cell);
}

export function up() {
  again = null;
  $("ready").hidden = false;
  document.body.classList.remove("stale");
  if ($("trouble").dataset.is === "down") trouble(null);
  delete $("trouble").dataset.is;
  link("Live", "good");
}

export function down(detail) {
  if (again === null) {
    say("The connection to the cell is lost.");
    const old = shown === null ? "" : ` The page shows the state of ${clockIn(shown)}.`;
    trouble(`The connection to the cell is lost: it may be restarting.${old} This page reconnects by itself.`);
    $("trouble").dataset.is = "down";
    $("ready").hidden = true;
    document.body.classList.add("stale");
  }
  again = detail.again;
  count();
}

function count() {
  if (again === null) return;
  const seconds = Math.max(0, Math.ceil((again - Date.now()) / 1000));
  link(seconds ? `Again in ${seconds} s` : "Connecting…", "bad");
}

function link(text, is) {
  setText($("link"), is === "good" ? text + restarted : text);
  setAttribute($("link"), "data-is", is);
  $("again").hidden = again === null;
}

setInterval(count, 1000);
