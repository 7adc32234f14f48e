// Many runs at once: how many there are in each status, and their failures grouped by cause. For array requests, and on demand.

import { told } from "./api.js";
import { el, reconcile, setText, throttled } from "./dom.js";
import { many, plain, whole } from "./format.js";
import { NOTHING, fits, query } from "./filter.js";
import { failure } from "./outcome.js";
import { everything } from "./runs.js";
import { badge } from "./statuses.js";
import { FAILED, STATUSES } from "./words.js";

/** Causes told at once. */
const MOST_CAUSES = 20;

/** What differs between tasks that failed for one reason: ARNs, ids, addresses and numbers. */
const OWN = /arn:\S+|\b[0-9a-f]{8,}(?:-[0-9a-f]{4,})*\b|\d+/gi;

export class Rollup {
  #filter = NOTHING;
  #key = null;
  #runs = new Map();
  #complete = true;
  #parts = {};
  #render = throttled(500, () => this.#draw());

  constructor() {
    const parts = { title: el("h3"), counts: el("ul", { class: "counts" }), causes: el("tbody"), none: el("p", { class: "quiet" }) };
    const heads = ["Runs", "Failure", "Cause, for instance"].map((name) => el("th", { scope: "col" }, name));
    parts.table = el("div", { class: "scroll" }, el("table", { class: "figures causes" }, el("thead", {}, el("tr", {}, heads)), parts.causes));
    parts.close = el("button", { type: "button", onclick: () => this.hide() }, "Close");
    this.#parts = parts;
    this.node = el("section", { class: "rollup", "aria-label": "These runs in numbers", hidden: true },
      el("header", {}, parts.title, parts.counts, parts.close), parts.none, parts.table);
  }

  hide() {
    this.node.hidden = true;
    this.#key = null;
    this.#runs.clear();
  }

  /** Whether these are the runs that match a filter. */
  isOf(filter) {
    return this.#key === String(query(filter));
  }

  /** Shows the runs that match a filter, unless it does already. */
  async load(filter) {
    if (this.isOf(filter)) return;
    const key = String(query(filter));
    [this.#key, this.#filter] = [key, filter];
    const all = await everything(filter).catch((error) => ({ error }));
    if (key !== this.#key) return;
    this.node.hidden = false;
    if (all.error) {
      this.#key = null;
      setText(this.#parts.title, told(all.error));
      return;
    }
    this.#runs = new Map(all.runs.map((run) => [run.run, run]));
    this.#complete = all.complete;
    this.#draw();
  }

  /** A run is now so. */
  change(run) {
    if (this.node.hidden) return;
    const fit = fits(this.#filter, run);
    if (fit === false && !this.#runs.delete(run.run)) return;
    if (fit === null && !this.#runs.has(run.run)) return;
    if (fit !== false) this.#runs.set(run.run, run);
    this.#render();
  }

  /** The list of some of these runs. */
  #address(statuses, error) {
    return `#/?${query({ ...this.#filter, status: statuses, error: error || this.#filter.error })}`;
  }

  #draw() {
    if (this.node.hidden) return;
    const { title, counts, causes, none, table } = this.#parts;
    const runs = [...this.#runs.values()];
    setText(title, `${this.#complete ? "" : "The newest "}${many(runs.length, "run")}`);
    const statuses = STATUSES.map((status) => [status, runs.filter((run) => run.status === status).length]).filter(([, n]) => n);
    reconcile(counts, statuses, ([status]) => status, ([status]) => el("li", { "data-status": status }, el("a", {}, badge(status), " ", el("b"))), (item, [status, n]) => {
      item.firstChild.setAttribute("href", this.#address([status]));
      setText(item.querySelector("b"), whole(n));
    });
    const groups = grouped(runs);
    table.hidden = groups.length === 0;
    reconcile(causes, groups.slice(0, MOST_CAUSES), ({ key }) => key, makeCause, (row, group) => this.#updateCause(row, group));
    const more = groups.length - MOST_CAUSES;
    setText(none, groups.length === 0 ? "None of them failed." : more > 0 ? `${many(more, "more cause")} not shown.` : "");
    none.hidden = none.textContent === "";
  }

  #updateCause(row, { runs, head, rest, error }) {
    const link = row.querySelector("a");
    setText(link, whole(runs.length));
    link.setAttribute("href", this.#address(FAILED, error));
    setText(row.children[1].firstChild, head);
    setText(row.children[2], rest);
  }
}

const makeCause = () => el("tr", {}, el("td", { class: "number" }, el("a")), el("td", {}, el("b", { class: "bad" })), el("td", { class: "text" }));

/** The runs that failed, by what they have in common; the largest group first. */
function grouped(runs) {
  const groups = new Map();
  for (const run of runs) {
    if (!FAILED.includes(run.status)) continue;
    const [head, rest] = failure(run) ?? [run.status, ""];
    const key = `${head}\n${rest.replace(OWN, "")}`;
    if (!groups.has(key)) groups.set(key, { key, head, rest: rest || plain(run.class), error: run.error ?? "", runs: [] });
    groups.get(key).runs.push(run);
  }
  return [...groups.values()].sort((a, b) => b.runs.length - a.runs.length);
}
