// One run: what it is, its attempts on a time line and in full, and what an operator can do.

import { get, told } from "./api.js";
import { confirm } from "./ask.js";
import { attempt, facts } from "./attempts.js";
import { order } from "./bulk.js";
import { copy } from "./copy.js";
import { el, reconcile, say, setText, throttled } from "./dom.js";
import { duration } from "./format.js";
import { badge } from "./statuses.js";
import { began, between, dated, refresh } from "./time.js";
import { timeline } from "./timeline.js";
import { isNew } from "./wait.js";
import { wait } from "./wait.js";
import { FAILED } from "./words.js";

/** Attempts shown in full at once. */
const MOST = 20;

export class RunView {
  #root;
  #id = null;
  #run = null;
  #all = false;
  #parts = {};
  #back = "#/";
  reload = throttled(500, () => this.#id && this.#load());

  constructor(root) {
    this.#root = root;
    root.addEventListener("keydown", (event) => {
      if (event.key === "Escape") location.hash = this.#back;
    });
  }

  /** Shows a run; `back` is the address to go back to. */
  open(id, back) {
    this.#id = id;
    this.#back = back;
    this.#run = null;
    this.#all = false;
    this.#frame();
    this.#load();
  }

  /** Answers the run that was shown. */
  close() {
    const shown = this.#run?.run ?? this.#id;
    this.#id = null;
    this.#root.replaceChildren();
    return shown;
  }

  change(brief) {
    if (this.#id && (brief.run === this.#id || brief.run === this.#run?.run)) this.reload();
  }

  tick() {
    if (this.#run && !this.#run.final) this.#draw();
    else refresh(this.#root);
  }

  /** Draws everything anew: times are in another zone. */
  redraw() {
    if (!this.#run) return;
    for (const part of [this.#parts.facts, this.#parts.attempts]) part.replaceChildren();
    this.#draw();
  }

  #frame() {
    const button = (title, onclick) => el("button", { type: "button", hidden: true, onclick }, title);
    const part = {
      title: el("h1", { tabindex: "-1", id: "run-title" }, this.#id),
      status: el("p", { class: "head" }),
      waits: el("p", { class: "waits", hidden: true }),
      wrong: el("p", { class: "wrong", role: "alert" }),
      facts: el("div"), line: el("div"), attempts: el("div"),
      more: button("", () => this.#showAll()),
      request: el("pre", { tabindex: "0", "aria-label": "The RunTask request" }),
      stop: button("Stop…", () => this.#stop()),
      redrive: button("Redrive…", () => this.#redrive()),
    };
    // Nothing of a run is shown before there is one.
    part.body = el("div", { class: "body", hidden: true },
      part.waits,
      el("section", { class: "panel" }, part.facts),
      el("section", { class: "panel", "aria-labelledby": "line-title" }, el("h2", { id: "line-title" }, "Attempts"), part.line),
      part.attempts, part.more,
      el("section", { class: "panel" }, el("details", {}, el("summary", {}, "RunTask request"), part.request)));
    this.#parts = part;
    this.#root.setAttribute("aria-labelledby", "run-title");
    this.#root.replaceChildren(
      el("p", {}, el("a", { class: "back", href: this.#back }, "← Runs")),
      el("header", { class: "runhead" }, part.title, part.status, el("p", { class: "buttons" }, part.stop, part.redrive)),
      part.wrong, part.body);
    part.title.focus();
  }

  async #load() {
    const id = this.#id;
    try {
      const run = await get(`/v1/runs/${encodeURIComponent(id)}`);
      if (id !== this.#id) return;
      if (run.runs) {
        location.replace(`#/?name=${encodeURIComponent(id)}`);
        return;
      }
      if (this.#run && this.#run.status !== run.status) say(`${run.name} is ${run.status}`);
      this.#run = run;
      setText(this.#parts.wrong, "");
      this.#draw();
    } catch (error) {
      if (id === this.#id) setText(this.#parts.wrong, told(error));
    }
  }

  #draw() {
    const [run, part] = [this.#run, this.#parts];
    part.body.hidden = false;
    setText(part.title, run.name);
    if (part.status.firstChild?.dataset.status !== run.status) part.status.replaceChildren(badge(run.status), el("span", { class: "quiet" }));
    const took = duration(between(began(run), run.finishedAt));
    setText(part.status.lastChild, run.final ? ` after ${took}` : ` ${took} since it was ${run.redrivenAt ? "redriven" : "submitted"}${run.stopReason === null ? "" : ", is being stopped"}`);
    part.stop.hidden = run.final || run.stopReason !== null;
    part.redrive.hidden = !FAILED.includes(run.status);
    const waits = run.waitingFor ? wait(run) : null;
    part.waits.hidden = !waits;
    setText(part.waits, waits ?? "");
    this.#drawFacts();
    part.line.replaceChildren(timeline(run));
    this.#drawAttempts();
    refresh(part.attempts);
    setText(part.request, JSON.stringify(run.runTask, null, 2));
  }

  /** Only where something of them is new: the focus stays on their buttons. */
  #drawFacts() {
    const key = JSON.stringify({ ...this.#run, attempts: null });
    reconcile(this.#parts.facts, [key], (key) => key, () => this.#facts());
    refresh(this.#parts.facts);
  }

  #facts() {
    const run = this.#run;
    const copied = (text, what) => el("span", { class: "copied" }, el("code", {}, text), copy(text, what));
    return facts([
      ["Name", copied(run.name, "name")],
      ["Run", copied(run.run, "run id")],
      ["Task definition", run.runTask.taskDefinition],
      ["Cluster", run.runTask.cluster ?? "default"],
      ["Goal", run.until], ["Queue", run.queue],
      ["Priority", run.priority === 0 ? null : String(run.priority)],
      ["Submitted", dated(run.submittedAt)],
      [isNew(run) ? "Starts" : "Next attempt", run.retryAt && dated(run.retryAt)],
      ["Finished", run.finishedAt && dated(run.finishedAt)],
      ["Attempts left out", run.attemptsOmitted ? String(run.attemptsOmitted) : null],
      ["Redriven", run.redrives === 0 ? null : el("span", {}, `${run.redrives} ×, last `, dated(run.redrivenAt))],
      ["Stop requested", run.stopReason],
    ]);
  }

  #drawAttempts() {
    const [part, newest] = [this.#parts, this.#run.attempts.toReversed()];
    const shown = this.#all ? newest : newest.slice(0, MOST);
    // An attempt is drawn anew only where something of it is new: an opened detail stays open.
    reconcile(part.attempts, shown, (one) => JSON.stringify(one), (one) => attempt(this.#run.run, one, this.#run.runTask.cluster));
    part.more.hidden = shown.length === newest.length;
    setText(part.more, `Show all ${newest.length} attempts`);
  }

  #showAll() {
    this.#all = true;
    this.#drawAttempts();
  }

  async #stop() {
    const text = "ECS is asked to stop its task. The run ends as ABORTED once its task has stopped.";
    const reason = await confirm({ title: `Stop ${this.#run.name}?`, text, action: "Stop it", reason: "Reason (ECS and the notification get it)" });
    if (reason !== null) await this.#order("stop", reason ? { reason } : {}, "Stop requested");
  }

  async #redrive() {
    const text = "It is launched again, its retries are counted anew, and its next end is notified too.";
    if ((await confirm({ title: `Redrive ${this.#run.name}?`, text, action: "Redrive it" })) !== null) await this.#order("redrive", {}, "Redriven");
  }

  async #order(what, body, done) {
    const { run, name } = this.#run;
    try {
      await order(run, what, body);
      say(`${done}: ${name}.`);
      await this.#load();
      this.#parts.title.focus();
    } catch (error) {
      setText(this.#parts.wrong, told(error));
    }
  }
}
