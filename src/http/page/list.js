// The list of runs: a page that the cell cut, kept up to date by the stream. However many runs there are, only a page of them is here.

import { get, told } from "./api.js";
import { el, say, setText, throttled } from "./dom.js";
import { FilterForm, fits, from, query } from "./filter.js";
import { whole } from "./format.js";
import * as rows from "./rows.js";

const PAGE = 50;
/** Newer runs are counted no further. */
const MOST_NEWER = 1000;
/** Changes that wait for the next look; of more the newest matter, and the cell is asked anew. */
const MOST_CAME = 2000;

export class List {
  #filter = from(new URLSearchParams());
  #runs = new Map();
  #oldest = "";
  /** What the stream told since the last look, by run. */
  #came = new Map();
  /** Where the pages begin, as far as they were seen; this page is the last. */
  #pages = [null];
  #next = null;
  /** Runs came in at the top and pushed others out: `#next` is no longer where this page ends. */
  #stale = false;
  #newer = new Set();
  #asked = null;
  #loading = null;
  #shown = false;
  #entered = false;
  #parts = {};
  #render = throttled(250, () => {
    this.#take();
    this.#draw();
  });
  reload = throttled(2000, () => this.#shown && this.#load());

  constructor(root) {
    const form = new FilterForm((filter) => this.#narrow(filter), () => this.#focusFirst());
    const body = el("tbody", { role: "rowgroup", onkeydown: (event) => this.#key(event) });
    const follow = el("input", { type: "checkbox", id: "follow", checked: true });
    const parts = { form, body, follow, note: el("p", { class: "quiet", role: "status" }) };
    parts.empty = el("p", { class: "empty", hidden: true });
    parts.newer = el("button", { type: "button", class: "newer", hidden: true, onclick: () => this.#first() });
    parts.back = el("button", { type: "button", onclick: () => this.#turn(-1) }, "Newer");
    parts.on = el("button", { type: "button", onclick: () => this.#turn(1) }, "Older");
    this.#parts = parts;
    root.append(form.node,
      el("div", { class: "above" }, el("label", {}, follow, " Show new runs as they come"), parts.newer, parts.note,
        el("nav", { class: "pages", "aria-label": "Pages of runs" }, parts.back, parts.on)),
      rows.table(body), parts.empty);
  }

  /** The list is seen, narrowed as the page's address says; `run` is where the reader comes back from. */
  enter(params, run) {
    this.#shown = true;
    const filter = from(params);
    this.#parts.form.set(filter);
    const same = String(query(filter)) === String(query(this.#filter));
    const ready = this.#entered && same ? this.#load() : this.#narrow(filter);
    this.#entered = true;
    if (run) this.#focus(run);
    if (run) ready.then(() => document.activeElement === document.body && this.#focus(run));
  }

  /** The page's address with this filter. */
  address() {
    const text = String(query(this.#filter));
    return text ? `#/?${text}` : "#/";
  }

  leave() {
    this.#shown = false;
  }

  /** A run is now as the stream says. It waits for the next look: thousands may come between two. */
  change(run) {
    if (!this.#shown) return;
    this.#came.delete(run.run);
    this.#came.set(run.run, run);
    if (this.#came.size > MOST_CAME) {
      this.#came.delete(this.#came.keys().next().value);
      this.reload();
    }
    this.#render();
  }

  /** Takes in what came since the last look. */
  #take() {
    const follows = this.#follows();
    for (const run of this.#came.values()) {
      const fit = fits(this.#filter, run);
      if (this.#runs.has(run.run)) {
        if (fit !== false) this.#runs.set(run.run, run);
        else if (this.#runs.delete(run.run) && this.#next !== null) this.reload();
      } else if (fit === null) {
        this.reload();
      } else if (fit && this.#belongsHere(run)) {
        if (follows) this.#runs.set(run.run, run);
        else if (this.#newer.size < MOST_NEWER) this.#newer.add(run.run);
      }
    }
    this.#came.clear();
    if (this.#runs.size > PAGE) {
      this.#runs = new Map(this.#sorted().slice(0, PAGE).map((run) => [run.run, run]));
      this.#stale = true;
      this.#next ??= "";
    }
  }

  tick(summary) {
    this.#parts.form.offer(Object.keys(summary.queues));
    if (this.#shown) rows.tick(this.#parts.body, this.#runs);
  }

  /** Ids are UUIDv7: newer ones are greater. */
  #belongsHere(run) {
    return this.#pages.length === 1 && (this.#next === null || run.run > this.#oldest);
  }

  /** Rows do not move under the reader's hands. */
  #follows() {
    return this.#parts.follow.checked && !this.#parts.body.contains(document.activeElement);
  }

  #sorted() {
    return [...this.#runs.values()].sort((a, b) => (a.run < b.run ? 1 : -1));
  }

  async #narrow(filter) {
    this.#filter = filter;
    this.#pages = [null];
    history.replaceState(null, "", this.address());
    await this.#load();
  }

  #first() {
    this.#pages = [null];
    this.#load();
    this.#parts.on.focus();
  }

  async #turn(by) {
    if (by > 0 && this.#stale) await this.#load();
    if (by > 0 && this.#next) this.#pages.push(this.#next);
    if (by < 0 && this.#pages.length > 1) this.#pages.pop();
    await this.#load();
    // The first page has no newer one, the last no older one: the focus goes to the button that still leads somewhere.
    if (document.activeElement === document.body) (by > 0 ? this.#parts.back : this.#parts.on).focus();
  }

  /** Asks for this page anew; an answer that is still on its way no longer counts. */
  #load() {
    this.#loading = this.#fetch();
    return this.#loading;
  }

  async #fetch() {
    this.#asked?.abort();
    const asked = new AbortController();
    this.#asked = asked;
    const params = query(this.#filter);
    params.set("limit", PAGE);
    if (this.#pages.at(-1)) params.set("nextToken", this.#pages.at(-1));
    try {
      const page = await get(`/v1/runs?${params}`, asked.signal);
      if (asked.signal.aborted) return;
      this.#runs = new Map(page.runs.map((run) => [run.run, run]));
      this.#next = page.nextToken;
      this.#stale = false;
      this.#newer.clear();
      this.#draw();
    } catch (error) {
      if (!asked.signal.aborted) setText(this.#parts.note, told(error));
    }
  }

  #draw() {
    const { body, note, newer, back, on, empty } = this.#parts;
    const focused = this.#links().indexOf(document.activeElement);
    const runs = this.#sorted();
    this.#oldest = runs.at(-1)?.run ?? "";
    rows.show(body, runs);
    // The run that had the focus is no longer here: the one in its place has it.
    if (focused >= 0 && !body.contains(document.activeElement)) this.#links().at(Math.min(focused, this.#runs.size - 1))?.focus();
    const page = this.#pages.length;
    setText(note, this.#runs.size ? `Page ${whole(page)}, newest first` : "");
    empty.hidden = this.#runs.size > 0;
    setText(empty, query(this.#filter).size ? "No run fits." : "There is no run yet. One comes by the requests queue, by POST /v1/runs, or by taskwatch submit.");
    newer.hidden = this.#newer.size === 0;
    setText(newer, this.#newer.size === 1 ? "Show 1 newer run" : `Show ${whole(this.#newer.size)} newer runs`);
    back.disabled = page === 1;
    on.disabled = this.#next === null;
  }

  #links() {
    return [...this.#parts.body.querySelectorAll("a")];
  }

  async #focusFirst() {
    await this.#loading;
    const first = this.#links()[0];
    if (first) first.focus();
    else say("No run fits.");
  }

  #focus(run) {
    this.#links().find((link) => link.closest("tr").dataset.key === run)?.focus();
  }

  /** Up and down go from run to run. */
  #key(event) {
    const links = this.#links();
    const at = links.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: links.length - 1 }[event.key];
    if (at < 0 || to === undefined || !links[to]) return;
    event.preventDefault();
    links[to].focus();
  }
}
