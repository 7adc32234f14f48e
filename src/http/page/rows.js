// The rows of the list: one a run, kept as long as it is shown, so that focus and selection stay where they are.

import { el, reconcile, setAttribute, setText } from "./dom.js";
import { ago, between, duration, instant, plain } from "./format.js";
import { badge } from "./statuses.js";

const COLUMNS = [
  ["state", "Status"], ["name", "Run"], ["definition", "Task definition"], ["queue", "Queue"],
  ["tries", "Attempts"], ["failure", "Newest failure"], ["age", "Submitted"], ["took", "Took"],
];

/** The table. Its parts have their roles written out, because narrow screens show its rows as cards. */
export function table(body) {
  const heads = COLUMNS.map(([name, title]) => el("th", { role: "columnheader", scope: "col", class: name }, title));
  return el("table", { class: "runs", role: "table", "aria-labelledby": "runs-title" },
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, heads)), body);
}

export const address = (run) => `#/runs/${encodeURIComponent(run.run)}`;

function make(run) {
  const cells = COLUMNS.map(([name]) => el("td", { role: "cell", class: name }));
  const of = (name) => cells[COLUMNS.findIndex(([column]) => column === name)];
  of("state").append(badge(run.status));
  of("name").append(el("a", { href: address(run), title: run.run }, run.name));
  of("failure").append(el("b"), el("span"));
  of("definition").append(el("span"));
  of("queue").append(el("span"));
  return el("tr", { role: "row" }, cells);
}

function update(row, run) {
  const [status, , definition, queue, tries, failure] = row.children;
  setText(status.firstChild, run.status);
  setAttribute(status.firstChild, "data-status", run.status);
  setText(definition.firstChild, run.taskDefinition.split("/").pop());
  setAttribute(definition, "title", run.taskDefinition);
  setText(queue.firstChild, run.queue);
  setText(tries, String(run.attempts));
  setText(failure.firstChild, plain(run.error));
  setText(failure.lastChild, run.cause ? ` ${run.cause}` : "");
  setAttribute(failure, "title", run.cause);
  setAttribute(row.children[6], "title", instant(run.submittedAt));
  age(row, run);
}

/** What changes with time alone. */
function age(row, run) {
  const [age, took] = [row.children[6], row.children[7]];
  setText(age, ago(run.submittedAt));
  // What goes on is told in whole seconds, as it is drawn anew once in each.
  const seconds = between(run.submittedAt, run.finishedAt);
  setText(took, duration(run.final ? seconds : Math.max(0, Math.round(seconds))));
}

export function show(body, runs) {
  reconcile(body, runs, (run) => run.run, make, update);
}

export function tick(body, runs) {
  for (const row of body.children) {
    const run = runs.get(row.dataset.key);
    if (run) age(row, run);
  }
}
