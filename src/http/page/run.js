// One run: what it is, its attempts on a time line and in full, and what an operator can do.

import { get, send, told } from "./api.js";
import { confirm } from "./ask.js";
import { attempt, facts } from "./attempts.js";
import { el, reconcile, say, setText, throttled } from "./dom.js";
import { between, duration, instant } from "./format.js";
import { badge } from "./statuses.js";
import { timeline } from "./timeline.js";

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
  }

  #frame() {
    const part = {
      title: el("h1", { tabindex: "-1", id: "run-title" }, this.#id),
      status: el("p", { class: "head" }),
      wrong: el("p", { class: "wrong", role: "alert" }),
      facts: el("div"), line: el("div"), attempts: el("div"),
      more: el("button", { type: "button", hidden: true, onclick: () => this.#showAll() }),
      request: el("pre", { tabindex: "0", "aria-label": "The RunTask request" }),
      stop: el("button", { type: "button", hidden: true, onclick: () => this.#stop() }, "Stop…"),
      redrive: el("button", { type: "button", hidden: true, onclick: () => this.#redrive() }, "Redrive…"),
    };
    this.#parts = part;
    this.#root.setAttribute("aria-labelledby", "run-title");
    this.#root.replaceChildren(
      el("p", {}, el("a", { class: "back", href: this.#back }, "← Runs")),
      el("header", { class: "runhead" }, part.title, part.status, el("p", { class: "buttons" }, part.stop, part.redrive)),
      part.wrong,
      el("section", { class: "panel" }, part.facts),
      el("section", { class: "panel", "aria-labelledby": "line-title" }, el("h2", { id: "line-title" }, "Attempts"), part.line),
      part.attempts, part.more,
      el("section", { class: "panel" }, el("details", {}, el("summary", {}, "RunTask request"), part.request)));
    this.#root.onkeydown = (event) => {
      if (event.key === "Escape") location.hash = this.#back;
    };
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
    setText(part.title, run.name);
    if (part.status.firstChild?.dataset.status !== run.status) part.status.replaceChildren(badge(run.status), el("span", { class: "quiet" }));
    const took = duration(between(run.submittedAt, run.finishedAt));
    setText(part.status.lastChild, run.final ? ` after ${took}` : ` for ${took}${run.stopReason === null ? "" : ", is being stopped"}`);
    part.stop.hidden = run.final || run.stopReason !== null;
    part.redrive.hidden = !run.final || run.status === "SUCCEEDED";
    part.facts.replaceChildren(facts([
      ["Run", el("code", {}, run.run)],
      ["Task definition", run.runTask.taskDefinition],
      ["Cluster", run.runTask.cluster ?? "default"],
      ["Goal", run.until], ["Queue", run.queue],
      ["Priority", run.priority === 0 ? null : String(run.priority)],
      ["Submitted", instant(run.submittedAt)],
      ["Next attempt", run.retryAt && instant(run.retryAt)],
      ["Finished", run.finishedAt && instant(run.finishedAt)],
      ["Attempts left out", run.attemptsOmitted ? String(run.attemptsOmitted) : null],
      ["Redriven", run.redrives === 0 ? null : `${run.redrives} ×`],
      ["Asked to stop", run.stopReason],
    ]));
    part.line.replaceChildren(timeline(run));
    this.#drawAttempts();
    setText(part.request, JSON.stringify(run.runTask, null, 2));
  }

  #drawAttempts() {
    const [part, newest] = [this.#parts, this.#run.attempts.toReversed()];
    const shown = this.#all ? newest : newest.slice(0, MOST);
    // An attempt is drawn anew only where something of it is new: an opened detail stays open.
    reconcile(part.attempts, shown, (one) => JSON.stringify(one), attempt);
    part.more.hidden = shown.length === newest.length;
    setText(part.more, `Show all ${newest.length} attempts`);
  }

  #showAll() {
    this.#all = true;
    this.#drawAttempts();
  }

  async #stop() {
    const text = "ECS is asked to stop its task; the run ends as ABORTED once it has stopped.";
    const reason = await confirm({ title: `Stop ${this.#run.name}?`, text, action: "Stop it", reason: "Reason (told to ECS and in the notification)" });
    if (reason !== null) await this.#order("stop", reason ? { reason } : {});
  }

  async #redrive() {
    const text = "It is launched again. Its retries start again, and its next end is notified again.";
    if ((await confirm({ title: `Redrive ${this.#run.name}?`, text, action: "Redrive it" })) !== null) await this.#order("redrive", {});
  }

  async #order(what, body) {
    const { run, name } = this.#run;
    try {
      await send("POST", `/v1/runs/${encodeURIComponent(run)}/${what}`, body);
      say(what === "stop" ? `${name} is being stopped.` : `${name} begins again.`);
      await this.#load();
      this.#parts.title.focus();
    } catch (error) {
      setText(this.#parts.wrong, told(error));
    }
  }
}
