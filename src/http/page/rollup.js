// Many runs in numbers, as the cell counts them: how many there are in each status, what they failed of and what they wait for. For
// array requests, and on demand.

import { get, told } from "./api.js";
import { el, reconcile, setText, throttled } from "./dom.js";
import { many, plain, whole } from "./format.js";
import { NOTHING, asked, fits, query } from "./filter.js";
import { failure } from "./outcome.js";
import { badge } from "./statuses.js";
import { readable } from "./wait.js";
import { STATUSES } from "./words.js";

/** So often the cell is asked anew, in milliseconds: it reads each of the runs. */
const ASK_AGAIN = 2000;

export class Rollup {
  #filter = NOTHING;
  #key = null;
  #parts = {};
  /** While runs change. The first answer of a filter is asked for at once. */
  #refresh = throttled(ASK_AGAIN, () => !this.node.hidden && this.#ask());

  constructor() {
    const parts = { title: el("h3"), counts: el("ul", { class: "counts" }), causes: el("tbody"), none: el("p", { class: "quiet" }) };
    const heads = ["Runs", "Failure", "Cause, for instance, and what to do"].map((name) => el("th", { scope: "col" }, name));
    parts.table = el("div", { class: "scroll" }, el("table", { class: "figures causes" }, el("thead", {}, el("tr", {}, heads)), parts.causes));
    parts.close = el("button", { type: "button", onclick: () => this.hide() }, "Close");
    this.#parts = parts;
    this.node = el("section", { class: "rollup", "aria-label": "These runs in numbers", hidden: true },
      el("header", {}, parts.title, parts.counts, parts.close), parts.none, parts.table);
  }

  hide() {
    this.node.hidden = true;
    this.#key = null;
  }

  /** Whether these are the runs that match a filter. */
  isOf(filter) {
    return this.#key === String(query(filter));
  }

  /** Shows the runs that match a filter, unless it does already. */
  async load(filter) {
    if (this.isOf(filter)) return;
    [this.#key, this.#filter] = [String(query(filter)), filter];
    await this.#ask();
  }

  /** A run is now so: it may be one of them, or have been. */
  change(run) {
    if (!this.node.hidden && fits({ ...this.#filter, status: [] }, run) !== false) this.#refresh();
  }

  async #ask() {
    const key = this.#key;
    const counted = await get(`/v1/rollup?${asked(this.#filter)}`).catch((error) => ({ error }));
    if (key !== this.#key) return;
    this.node.hidden = false;
    if (counted.error) {
      this.#key = null;
      setText(this.#parts.title, told(counted.error));
      return;
    }
    this.#draw(counted);
  }

  /** The list of some of these runs. */
  #address(more) {
    return `#/?${query({ ...this.#filter, ...more })}`;
  }

  #draw(counted) {
    const { title, counts, causes, none, table } = this.#parts;
    setText(title, `${counted.complete ? "" : "The newest "}${many(counted.runs, "run")}`);
    const statuses = STATUSES.map((status) => [status, counted.statuses[status]]).filter(([, n]) => n);
    reconcile(counts, statuses, ([status]) => status, ([status]) => el("li", { "data-status": status }, el("a", {}, badge(status), " ", el("b"))), (item, [status, n]) => {
      item.firstChild.setAttribute("href", this.#address({ status: [status] }));
      setText(item.querySelector("b"), whole(n));
    });
    const groups = [...counted.causes.map((group) => this.#failed(group)), ...counted.waits.map((group) => this.#waits(group))];
    table.hidden = groups.length === 0;
    groups.forEach((group, at) => (group.key = group.hint === null ? `${at}` : group.link));
    reconcile(causes, groups, ({ key }) => key, make, update);
    const more = counted.causesLeftOut + counted.waitsLeftOut;
    setText(none, groups.length === 0 ? "None of them failed, and none waits." : more > 0 ? `${many(more, "more group")} not shown.` : "");
    none.hidden = none.textContent === "";
  }

  #failed({ runs, status, exitCode, error, cause, causePattern, class: kind, hint }) {
    const [head, rest] = failure({ exitCode, error, cause }) ?? [status, ""];
    const link = this.#address({ status: [status], error: error ?? "", exitCode: String(exitCode ?? ""), cause: causePattern ?? "" });
    return { runs, link, status, head, rest: rest || plain(kind), hint };
  }

  #waits({ runs, status, text }) {
    return { runs, link: this.#address({ status: [status] }), status, head: "waits", rest: readable(text), hint: null };
  }
}

const make = () => el("tr", {}, el("td", { class: "number" }, el("a")), el("td", {}, el("b")), el("td", { class: "text" }, el("p"), el("p", { class: "quiet" })));

function update(row, { runs, link, status, head, rest, hint }) {
  const number = row.querySelector("a");
  setText(number, whole(runs));
  number.setAttribute("href", link);
  number.setAttribute("aria-label", `${many(runs, "run")} ${status}: ${head}`);
  setText(row.querySelector("b"), head);
  row.querySelector("b").className = hint === null ? "wait" : "bad";
  const [text, todo] = row.querySelectorAll("p");
  setText(text, rest);
  setText(todo, hint ? `Do: ${hint}` : "");
  todo.hidden = !hint;
}
