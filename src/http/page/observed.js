// Failures of tasks and launches of others: the newest ones, with who launched them, why they failed, and what to do.

import { get, told } from "./api.js";
import { $, el, reconcile, setText } from "./dom.js";
import { plain } from "./format.js";
import { address } from "./rows.js";
import { moment } from "./time.js";

/** Looked at so often, in milliseconds; and so many are shown. */
const EVERY = 10_000;
const SHOWN = 20;
const COLUMNS = ["When", "Launched by", "Task definition", "Failure", "What to do"];

const rows = el("tbody");
const note = el("p", { class: "quiet" });
let asked = -EVERY;

function mount() {
  $("observed").append(note, el("div", { class: "scroll" }, el("table", { class: "observed" },
    el("thead", {}, el("tr", {}, COLUMNS.map((column) => el("th", { scope: "col" }, column)))), rows)));
}

/** Who launched it; a name that EventBridge cut ends with a dot, dot, dot. */
function by({ kind, name, cut }) {
  return name ? `${kind} ${name}${cut ? "…" : ""}` : kind;
}

/** What failed: of a launch, how many tasks are missing. */
function what({ kind, missing, count, ran, exitCode, error }) {
  if (kind === "launch-refused") return `${plain(error)}: ${missing} of ${count} not placed`;
  if (exitCode !== null && ran) return `${plain(error)}: exit code ${exitCode}`;
  return ran ? plain(error) : `${plain(error)}: never ran`;
}

/** What to do: nothing for now, where it is launched once more. */
function todo({ hint, run }) {
  return run ? ["Launched once more: ", el("a", { href: address({ run }) }, run)] : [hint];
}

function make(failure) {
  const quiet = (text) => el("p", { class: "quiet" }, text);
  return el("tr", {}, el("td", {}, moment(failure.at)), el("td", {}, by(failure.launcher)),
    el("td", {}, failure.taskDefinition, quiet(`cluster ${failure.cluster}`)),
    el("td", {}, el("b", {}, what(failure)), quiet(failure.cause)), el("td", {}, todo(failure)));
}

async function look() {
  try {
    const { observed, nextToken } = await get(`/v1/observed?limit=${SHOWN}`);
    $("observed").closest("section").hidden = !observed.length;
    if (!observed.length) return;
    if (!rows.isConnected) mount();
    setText(note, nextToken ? `The newest ${SHOWN}; GET /v1/observed has more.` : "Tasks and launches of others that failed.");
    reconcile(rows, observed, ({ id }) => id, make);
  } catch (error) {
    if (rows.isConnected) setText(note, told(error));
  }
}

export function show() {
  const time = performance.now();
  if (time - asked < EVERY) return;
  asked = time;
  look();
}
