// Runs in another order than the cell's own: the newest thousand that match are loaded and ordered here, and older ones on demand.

import { COLUMNS, sorted } from "./columns.js";
import { many, whole } from "./format.js";
import { LARGEST } from "./runs.js";

const PAGE = 50;
/** Loaded at most, so that ordering them stays quick. */
const MOST = 10_000;

export class Sorted {
  titles = ["Previous", "Next"];
  #order;
  #runs = new Map();
  /** Where the loaded runs end; null: all that match are loaded. */
  #next = null;
  #page = 0;

  /** `order` is as in the page's address. */
  constructor(order) {
    this.#order = order;
  }

  /** Asks for the newest runs anew. Older ones that were loaded stay as they are. */
  async load(ask) {
    const page = await ask(LARGEST, null);
    const end = page.nextToken === null ? "" : (page.runs.at(-1)?.run ?? "");
    const older = [...this.#runs].filter(([id]) => id < end);
    this.#runs = new Map([...page.runs.map((run) => [run.run, run]), ...older]);
    if (!older.length) this.#next = page.nextToken;
  }

  /** Loads older runs too. */
  async loadMore(ask) {
    const page = await ask(LARGEST, this.#next);
    for (const run of page.runs) this.#runs.set(run.run, run);
    this.#next = page.nextToken;
  }

  /** Takes in a run that is now so. True: only the cell can tell whether it belongs into the list. */
  change(run, fit) {
    if (fit === false) this.#runs.delete(run.run);
    else if (this.#runs.has(run.run) || (fit && this.#isLoaded(run))) this.#runs.set(run.run, run);
    else return fit === null;
    return false;
  }

  /** Ids are UUIDv7: a run that is newer than the oldest loaded one is among those that are loaded. */
  #isLoaded(run) {
    if (this.#runs.size >= MOST) return false;
    return this.#next === null || this.#runs.keys().some((id) => run.run > id);
  }

  /** The runs to be shown, in their order. */
  shown() {
    const pages = Math.max(1, Math.ceil(this.#runs.size / PAGE));
    this.#page = Math.min(this.#page, pages - 1);
    return sorted(this.#runs.values(), this.#order).slice(this.#page * PAGE, (this.#page + 1) * PAGE);
  }

  get(id) {
    return this.#runs.get(id);
  }

  /** Goes a page on, or back. */
  async turn(by) {
    this.#page = Math.max(0, this.#page + by);
  }

  begin() {
    this.#page = 0;
  }

  newer() {
    return 0;
  }

  place() {
    const { title } = COLUMNS.find(({ name }) => name === this.#order.replace(/^-/, ""));
    const pages = Math.max(1, Math.ceil(this.#runs.size / PAGE));
    const of = this.#next === null ? many(this.#runs.size, "run") : `the newest ${many(this.#runs.size, "run")}`;
    const note = this.#runs.size ? `Page ${whole(this.#page + 1)} of ${whole(pages)}, ${of} sorted by ${title}` : "";
    return { back: this.#page > 0, on: this.#page + 1 < pages, more: this.#next !== null && this.#runs.size < MOST, note };
  }
}
