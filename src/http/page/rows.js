// The rows of the list: one a run, kept as long as it is shown, so that focus and selection stay where they are.

import { COLUMNS, short, turned } from "./columns.js";
import { el, reconcile, setAttribute, setText } from "./dom.js";
import { duration } from "./format.js";
import { failure } from "./outcome.js";
import { badge } from "./statuses.js";
import { began, between, moment, refresh, write } from "./time.js";
import { wait } from "./wait.js";

/** The table. Its parts have their roles written out, because narrow screens show its rows as cards. `sort` gets an order's text. */
export function table(body, pickAll, sort) {
  const heads = COLUMNS.map((column) => el("th", { role: "columnheader", scope: "col", class: column.kind, "data-column": column.name },
    el("button", { type: "button", onclick: () => sort((current) => turned(current, column)) }, column.title)));
  return el("table", { class: "runs", role: "table", "aria-labelledby": "runs-title" },
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, el("th", { role: "columnheader", class: "pick" }, pickAll), heads)), body);
}

/** Marks the column by which the list is ordered. */
export function mark(table, text) {
  for (const head of table.querySelectorAll("[data-column]")) {
    const { column } = head.dataset;
    setAttribute(head, "aria-sort", text === column ? "ascending" : text === `-${column}` ? "descending" : null);
  }
}

/** Where a run is shown, in the list of this query. */
export const address = (run, query) => `#/runs/${encodeURIComponent(run.run)}${query ? `?${query}` : ""}`;

function make(run) {
  const pick = el("input", { type: "checkbox", "aria-label": `Select ${run.name}` });
  const cells = COLUMNS.map(({ kind }) => el("td", { role: "cell", class: kind }));
  const [state, name, definition, queue, , what, age] = cells;
  state.append(badge(run.status));
  name.append(el("a", { title: run.run }, run.name));
  definition.append(el("span"));
  queue.append(el("span"));
  what.append(el("b"), el("span"));
  age.append(moment(run.submittedAt, false));
  return el("tr", { role: "row" }, el("td", { role: "cell", class: "pick" }, pick), cells);
}

function update(row, run, query, selected) {
  const [pick, state, name, definition, queue, tries, what] = row.children;
  pick.firstChild.checked = selected;
  setAttribute(row, "data-selected", selected ? "true" : null);
  setText(state.firstChild, run.status);
  setAttribute(state.firstChild, "data-status", run.status);
  setAttribute(name.firstChild, "href", address(run, query));
  setText(definition.firstChild, short(run.taskDefinition));
  setAttribute(definition, "title", run.taskDefinition);
  setText(queue.firstChild, run.queue);
  setText(tries, String(run.attempts));
  tell(what, run);
  write(row.querySelector("time"), run.submittedAt);
  took(row, run);
}

/** What happened to it, or what it waits for. The head of it is never cut off. */
function tell(cell, run) {
  const failed = failure(run);
  const waits = wait(run, true);
  const [head, rest] = failed ?? [waits, ""];
  setText(cell.firstChild, head ?? "");
  setAttribute(cell.firstChild, "class", failed ? "bad" : "wait");
  const more = [failed && waits, rest].filter(Boolean).join(" · ");
  setText(cell.lastChild, more ? ` ${more}` : "");
  setAttribute(cell, "title", [head, more].filter(Boolean).join(" · ") || null);
}

/** What goes on is told in whole seconds, as it is drawn anew once in each. */
function took(row, run) {
  const seconds = between(began(run), run.finishedAt);
  setText(row.lastElementChild, duration(run.final ? seconds : Math.max(0, Math.round(seconds))));
}

/** Shows these runs; `query` is the list's, `selected` tells whether a run is selected. */
export function show(body, runs, query, selected) {
  reconcile(body, runs, (run) => run.run, make, (row, run) => update(row, run, query, selected(run.run)));
}

/** What changes with time alone; `of` finds a row's run. */
export function tick(body, of) {
  refresh(body);
  for (const row of body.children) {
    const run = of(row.dataset.key);
    if (!run) continue;
    took(row, run);
    if (!run.final) tell(row.children[6], run);
  }
}
