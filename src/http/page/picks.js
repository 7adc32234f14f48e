// How runs of the list are reached and selected: by the boxes before them, several with Shift, and by the keyboard.

import { el } from "./dom.js";

export class Picks {
  /** The box that selects all that are shown. */
  all = el("input", { type: "checkbox", "aria-label": "Select all runs shown", onchange: () => this.#selection.set(this.#runs, this.all.checked) });
  #body;
  #of;
  #selection;
  #runs = [];
  /** The run that was selected last: with Shift, all from there on are. */
  #last = null;

  /** `of` finds the run of a row. */
  constructor(body, of, selection) {
    this.#body = body;
    this.#of = of;
    this.#selection = selection;
    body.addEventListener("click", (event) => {
      if (event.target.matches(".pick input")) this.#pick(event.target.closest("tr"), event.target.checked, event.shiftKey);
    });
    body.addEventListener("keydown", (event) => this.#key(event));
  }

  /** These are shown. */
  draw(runs) {
    this.#runs = runs;
    const selected = runs.filter(({ run }) => this.#selection.has(run)).length;
    this.all.checked = selected > 0 && selected === runs.length;
    this.all.indeterminate = selected > 0 && selected < runs.length;
    this.all.disabled = runs.length === 0;
  }

  #pick(row, selected, range) {
    const rows = [...this.#body.children];
    const [at, from] = [rows.indexOf(row), rows.findIndex((other) => other.dataset.key === this.#last)];
    const picked = range && from >= 0 ? rows.slice(Math.min(at, from), Math.max(at, from) + 1) : [row];
    this.#last = row.dataset.key;
    this.#selection.set(picked.map((row) => this.#of(row.dataset.key)).filter(Boolean), selected);
  }

  /** Up and down go from run to run, the space bar selects. */
  #key(event) {
    const links = [...this.#body.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement);
    if (at < 0) return;
    if (event.key === " ") {
      event.preventDefault();
      const row = links[at].closest("tr");
      this.#pick(row, !this.#selection.has(row.dataset.key), event.shiftKey);
      return;
    }
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: links.length - 1 }[event.key];
    if (to === undefined || !links[to]) return;
    event.preventDefault();
    links[to].focus();
  }
}
