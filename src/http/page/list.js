// The list of runs: a page of them, kept up to date by the stream. However many runs there are, only a page is drawn.

import { told } from "./api.js";
import { NEWEST, order } from "./columns.js";
import { el, say, setText, throttled } from "./dom.js";
import { FilterForm, NOTHING, fits, from, query } from "./filter.js";
import { whole } from "./format.js";
import { NewestFirst } from "./newest.js";
import { Picks } from "./picks.js";
import { Rollup } from "./rollup.js";
import * as rows from "./rows.js";
import { everything, page } from "./runs.js";
import { Selection } from "./selection.js";
import { Sorted } from "./sorted.js";
import { waits } from "./wait.js";

/** Changes that wait for the next look; of more the newest matter, and the cell is asked anew. */
const MOST_CAME = 2000;
/** So often the cell is asked anew what the runs that are shown wait for, in milliseconds. */
const ASK_AGAIN = 10_000;
const NONE_FAILED = "No runs match. A run matches by its newest failure: one that failed so and succeeded later does not.";
const NONE = "There is no run yet. Runs come by the requests queue, by POST /v1/runs, or by taskwatch submit.";

export class List {
  #filter = NOTHING;
  #order = NEWEST;
  #source = new NewestFirst();
  /** What the stream told since the last look, by run. */
  #came = new Map();
  /** The rows as they were drawn: their order stays while the focus is among them. */
  #drawn = [];
  #asked = null;
  #loading = null;
  #shown = false;
  #entered = false;
  #parts = {};
  #rollup = new Rollup();
  /** What holds runs up, as the last summary had it, and when the cell was last asked. */
  #held = "";
  #askedAt = 0;
  #selection = new Selection(() => this.#redraw(), () => everything(this.#filter));
  #render = throttled(250, () => {
    this.#take();
    this.#draw();
  });
  reload = throttled(2000, () => this.#shown && this.#load());

  constructor(root) {
    const form = new FilterForm((filter) => this.#narrow(filter, this.#order), () => this.#focusFirst());
    const body = el("tbody", { role: "rowgroup" });
    const picks = new Picks(body, (id) => this.#source.get(id), this.#selection);
    const follow = el("input", { type: "checkbox", id: "follow", checked: true });
    const parts = { form, body, picks, follow, note: el("p", { class: "quiet", role: "status" }) };
    parts.table = rows.table(body, picks.all, (turned) => this.#narrow(this.#filter, turned(this.#order)));
    parts.empty = el("p", { class: "empty", hidden: true });
    parts.newer = el("button", { type: "button", class: "newer", hidden: true, onclick: () => this.#first() });
    parts.more = el("button", { type: "button", hidden: true, onclick: () => this.#loadMore() }, "Load 1,000 older runs");
    parts.back = el("button", { type: "button", onclick: () => this.#turn(-1) });
    parts.on = el("button", { type: "button", onclick: () => this.#turn(1) });
    this.#parts = parts;
    parts.count = el("button", { type: "button", onclick: () => this.#rollup.load(this.#filter) }, "Group failures by cause");
    root.append(form.node, this.#rollup.node,
      el("div", { class: "above" }, el("label", {}, follow, " Show new runs as they come"), parts.newer, parts.note, parts.count, parts.more,
        el("nav", { class: "pages", "aria-label": "Pages of runs" }, parts.back, parts.on), this.#selection.node),
      parts.table, parts.empty);
  }

  /** Takes the filter and the order of the page's address. */
  adopt(params) {
    const [filter, sort] = [from(params), order(params.get("sort"))];
    this.#parts.form.set(filter);
    const same = this.#entered && sort === this.#order && String(query(filter)) === String(query(this.#filter));
    this.#entered = true;
    if (!same) this.#become(filter, sort);
    return same;
  }

  /** The list is seen; `run` is where the reader comes back from. Answers, once it is loaded, whether that run has the focus. */
  async enter(params, run) {
    this.#shown = true;
    this.adopt(params);
    const ready = this.#load();
    if (run) this.#focus(run);
    await ready;
    if (run && document.activeElement === document.body) this.#focus(run);
    return this.#isUsed();
  }

  /** The filter and the order, as the page's address has them. */
  query() {
    const params = query(this.#filter);
    if (this.#order !== NEWEST) params.set("sort", this.#order);
    return String(params);
  }

  /** The page's address of this list. */
  address() {
    const text = this.query();
    return text ? `#/?${text}` : "#/";
  }

  leave() {
    this.#shown = false;
  }

  /** A run is now as the stream says. It waits for the next look: thousands may come between two. */
  change(run) {
    this.#selection.change(run);
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
    const follows = this.#parts.follow.checked && !this.#isUsed();
    for (const run of this.#came.values()) {
      const fit = fits(this.#filter, run);
      this.#rollup.change(run);
      // The stream does not tell what a run waits for: the list does.
      const known = this.#source.get(run.run);
      if (known?.status === run.status) run.waitingFor ??= known.waitingFor;
      if (this.#source.change(run, fit, follows)) this.reload();
    }
    this.#came.clear();
  }

  tick(summary) {
    this.#parts.form.offer(Object.keys(summary.queues));
    if (!this.#shown) return;
    rows.tick(this.#parts.body, (id) => this.#source.get(id));
    const held = JSON.stringify([summary.limits.pauses, summary.circuitBreakers.map((open) => [open.taskDefinition, open.nextProbeAt])]);
    const waiting = this.#drawn.map((id) => this.#source.get(id)).filter((run) => run && waits(run));
    const unknown = waiting.some((run) => !run.waitingFor);
    if (waiting.length && (unknown || held !== this.#held || performance.now() - this.#askedAt > ASK_AGAIN)) this.reload();
    this.#held = held;
  }

  /** The reader is in the list: rows do not move under his hands. */
  #isUsed() {
    return this.#parts.body.contains(document.activeElement);
  }

  #become(filter, sort) {
    [this.#filter, this.#order] = [filter, sort];
    this.#source = sort === NEWEST ? new NewestFirst() : new Sorted(sort);
    this.#drawn = [];
    this.#selection.clear();
  }

  async #narrow(filter, sort) {
    this.#become(filter, sort);
    history.replaceState(null, "", this.address());
    await this.#load();
  }

  #first() {
    this.#source.begin();
    this.#load();
    this.#parts.on.focus();
  }

  async #turn(by) {
    await this.#source.turn(by, () => this.#load());
    this.#draw();
    // The first page has none before it, the last none behind it: the focus goes to the button that still leads somewhere.
    if (document.activeElement === document.body) (by > 0 ? this.#parts.back : this.#parts.on).focus();
  }

  /** Asks for this page anew; an answer that is still on its way no longer counts. */
  #load() {
    this.#loading = this.#fetch((ask) => this.#source.load(ask));
    return this.#loading;
  }

  #loadMore() {
    return this.#fetch((ask) => this.#source.loadMore(ask));
  }

  async #fetch(load) {
    this.#asked?.abort();
    this.#askedAt = performance.now();
    const asked = new AbortController();
    this.#asked = asked;
    try {
      await load((limit, token) => page(this.#filter, limit, token, asked.signal));
      if (asked.signal.aborted) return;
      this.#draw();
      this.#sumUp();
    } catch (error) {
      if (!asked.signal.aborted) setText(this.#parts.note, told(error));
    }
  }

  /** An array request is summed up by itself, whichever of its runs are listed; anything else only on demand. */
  #sumUp() {
    const { name } = this.#filter;
    const array = { ...NOTHING, name };
    if (this.#drawn.some((id) => this.#source.get(id)?.name.startsWith(`${name}/`))) this.#rollup.load(array);
    else if (![array, this.#filter].some((filter) => this.#rollup.isOf(filter))) this.#rollup.hide();
  }

  #draw() {
    const { body, note, newer, more, back, on, empty, picks, table } = this.#parts;
    const focused = this.#links().indexOf(document.activeElement);
    const runs = this.#inOrder(this.#source.shown());
    this.#drawn = runs.map(({ run }) => run);
    rows.show(body, runs, this.query(), (id) => this.#selection.has(id));
    rows.mark(table, this.#order);
    picks.draw(runs);
    // The run that had the focus is no longer here: the one in its place has it.
    if (focused >= 0 && !body.contains(document.activeElement)) this.#links().at(Math.min(focused, runs.length - 1))?.focus();
    const place = this.#source.place();
    setText(note, place.note);
    empty.hidden = runs.length > 0;
    setText(empty, query(this.#filter).size ? (this.#filter.error ? NONE_FAILED : "No runs match.") : NONE);
    const count = this.#source.newer();
    newer.hidden = count === 0;
    setText(newer, count === 1 ? "Show 1 newer run" : `Show ${whole(count)} newer runs`);
    more.hidden = !place.more;
    [back, on].forEach((button, at) => setText(button, this.#source.titles[at]));
    [back.disabled, on.disabled] = [!place.back, !place.on];
  }

  /** The order of the rows that are there stays while the reader is among them. */
  #inOrder(runs) {
    if (!this.#isUsed() || this.#order === NEWEST) return runs;
    const known = new Map(this.#drawn.map((id) => [id, this.#source.get(id)]));
    const still = [...known.values()].filter(Boolean);
    return [...still, ...runs.filter(({ run }) => !known.has(run))].slice(0, Math.max(still.length, runs.length));
  }

  #redraw() {
    if (this.#parts.body) this.#draw();
  }

  #links() {
    return [...this.#parts.body.querySelectorAll("a")];
  }

  async #focusFirst() {
    await this.#loading;
    const first = this.#links()[0];
    if (first) first.focus();
    else say("No runs match.");
  }

  #focus(run) {
    this.#links().find((link) => link.closest("tr").dataset.key === run)?.focus();
  }
}
