// The runs that the reader has selected, and what can be done with all of them: each asks first and says how many there are.

import { told } from "./api.js";
import { confirm } from "./ask.js";
import { each } from "./bulk.js";
import { el, say, setText } from "./dom.js";
import { many, whole } from "./format.js";
import { FAILED } from "./words.js";

/** So many names are in the question. */
const NAMED = 5;

export class Selection {
  /** The selected runs, as they are now, by their id. */
  #runs = new Map();
  #changed;
  #parts = {};
  #busy = false;

  /** `changed` is called whenever other runs are selected; `all` answers every run that matches the filter: `{runs, complete}`. */
  constructor(changed, all) {
    this.#changed = changed;
    const button = (title, onclick) => el("button", { type: "button", onclick }, title);
    const parts = { count: el("b"), note: el("span", { class: "quiet", role: "status" }) };
    parts.stop = button("", () => this.#stop());
    parts.redrive = button("", () => this.#redrive());
    parts.all = button("Select all that match", () => all().then((all) => this.#add(all), (error) => setText(parts.note, told(error))));
    parts.none = button("Clear selection", () => this.clear());
    this.#parts = parts;
    this.node = el("div", { class: "selection", role: "region", "aria-label": "Selected runs", hidden: true },
      parts.count, parts.stop, parts.redrive, parts.all, parts.none, parts.note);
  }

  has(id) {
    return this.#runs.has(id);
  }

  /** Selects these runs, or does not. */
  set(runs, selected) {
    for (const run of runs) {
      if (selected) this.#runs.set(run.run, run);
      else this.#runs.delete(run.run);
    }
    setText(this.#parts.note, "");
    this.#draw();
  }

  clear() {
    this.#runs.clear();
    setText(this.#parts.note, "");
    this.#draw();
  }

  /** A run is now so. */
  change(run) {
    if (!this.#runs.has(run.run)) return;
    this.#runs.set(run.run, run);
    this.#draw();
  }

  #add(all) {
    this.set(all.runs, true);
    if (!all.complete) setText(this.#parts.note, "These are the newest that match; there are more.");
  }

  #open() {
    return [...this.#runs.values()].filter((run) => !run.final);
  }

  #failed() {
    return [...this.#runs.values()].filter((run) => FAILED.includes(run.status));
  }

  #draw() {
    const { count, stop, redrive, all, none, note } = this.#parts;
    const [open, failed] = [this.#open().length, this.#failed().length];
    this.node.hidden = this.#runs.size === 0 && !note.textContent;
    setText(count, `${whole(this.#runs.size)} selected`);
    setText(stop, `Stop ${whole(open)}…`);
    setText(redrive, `Redrive ${whole(failed)}…`);
    stop.disabled = this.#busy || open === 0;
    redrive.disabled = this.#busy || failed === 0;
    all.disabled = none.disabled = this.#busy;
    this.#changed();
  }

  async #stop() {
    const runs = this.#open();
    const text = "ECS is asked to stop their tasks. Each run ends as ABORTED once its task has stopped.";
    const reason = await confirm({ title: `Stop ${many(runs.length, "run")}?`, text: this.#question(runs, text, "have ended"), action: `Stop ${many(runs.length, "run")}`, reason: "Reason (ECS and the notifications get it)" });
    if (reason !== null) await this.#order(runs, "stop", reason ? { reason } : {}, "asked to stop");
  }

  async #redrive() {
    const runs = this.#failed();
    const text = "They are launched again, their retries are counted anew, and their next end is notified too.";
    const sure = await confirm({ title: `Redrive ${many(runs.length, "run")}?`, text: this.#question(runs, text, "did not fail"), action: `Redrive ${many(runs.length, "run")}` });
    if (sure !== null) await this.#order(runs, "redrive", {}, "redriven");
  }

  /** What the reader is asked: which runs, what happens, and which of the selected ones are left as they are. */
  #question(runs, text, others) {
    const names = runs.slice(0, NAMED).map((run) => run.name).join(", ");
    const more = runs.length > NAMED ? ` and ${whole(runs.length - NAMED)} more` : "";
    const rest = this.#runs.size - runs.length;
    return `${names}${more}. ${text}${rest ? ` ${whole(rest)} of the selected ${others} and stay as they are.` : ""}`;
  }

  async #order(runs, what, body, done) {
    const { note } = this.#parts;
    this.#busy = true;
    this.#draw();
    const failed = await each(runs, what, body, (n) => setText(note, `${whole(n)} of ${whole(runs.length)} …`));
    this.#busy = false;
    this.#runs.clear();
    for (const { run } of failed) this.#runs.set(run.run, run);
    const said = `${many(runs.length - failed.length, "run")} ${done}.`;
    setText(note, failed.length ? `${said} ${whole(failed.length)} not, and still selected: ${failed[0].why}` : said);
    say(note.textContent);
    this.#draw();
  }
}
