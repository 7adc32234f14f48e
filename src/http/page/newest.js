// Runs in the cell's own order, newest first: a page that the cell cut, kept up to date by the stream.

import { whole } from "./format.js";
import { sorted, NEWEST } from "./columns.js";

const PAGE = 50;
/** Newer runs are counted no further. */
const MOST_NEWER = 1000;

export class NewestFirst {
  titles = ["Newer", "Older"];
  #runs = new Map();
  #oldest = "";
  /** Where the pages begin, as far as they were seen; this page is the last. */
  #pages = [null];
  #next = null;
  /** Runs came in at the top and pushed others out: `#next` is no longer where this page ends. */
  #stale = false;
  #newer = new Set();

  /** Asks for this page anew. `ask` takes how many, and where an earlier answer ended. */
  async load(ask) {
    const page = await ask(PAGE, this.#pages.at(-1));
    this.#runs = new Map(page.runs.map((run) => [run.run, run]));
    this.#next = page.nextToken;
    this.#stale = false;
    this.#newer.clear();
  }

  /** Takes in a run that is now so; `fit`: whether it belongs into the list, null where only the cell can tell. True: ask the cell. */
  change(run, fit, follows) {
    if (this.#runs.has(run.run)) {
      if (fit !== false) this.#runs.set(run.run, run);
      else return this.#runs.delete(run.run) && this.#next !== null;
    } else if (fit === null) {
      return true;
    } else if (fit && this.#belongsHere(run)) {
      if (follows) this.#runs.set(run.run, run);
      else if (this.#newer.size < MOST_NEWER) this.#newer.add(run.run);
    }
    return false;
  }

  /** Ids are UUIDv7: newer ones are greater. */
  #belongsHere(run) {
    return this.#pages.length === 1 && (this.#next === null || run.run > this.#oldest);
  }

  /** The runs to be shown, in their order. */
  shown() {
    const runs = sorted(this.#runs.values(), NEWEST).slice(0, PAGE);
    if (this.#runs.size > PAGE) {
      this.#runs = new Map(runs.map((run) => [run.run, run]));
      this.#stale = true;
      this.#next ??= "";
    }
    this.#oldest = runs.at(-1)?.run ?? "";
    return runs;
  }

  get(id) {
    return this.#runs.get(id);
  }

  /** Goes a page on, or back. */
  async turn(by, load) {
    if (by > 0 && this.#stale) await load();
    if (by > 0 && this.#next) this.#pages.push(this.#next);
    if (by < 0 && this.#pages.length > 1) this.#pages.pop();
    await load();
  }

  /** Goes to the first page. */
  begin() {
    this.#pages = [null];
  }

  newer() {
    return this.#newer.size;
  }

  /** Whether there are pages on either side, and which this one is. */
  place() {
    const page = this.#pages.length;
    return { back: page > 1, on: this.#next !== null, more: false, note: this.#runs.size ? `Page ${whole(page)}, newest first` : "" };
  }
}
