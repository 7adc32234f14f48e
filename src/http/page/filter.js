// What narrows the list: the same in the form, in the page's address and in what is asked of the cell.

import { el, reconcile } from "./dom.js";
import { NAMES, STATUSES } from "./words.js";

const FIELDS = [["name", "Name"], ["queue", "Queue"], ["error", "Failure"]];
/** Typing is over after so long. */
const TYPED = 300;

export const from = (params) => {
  const filter = { status: (params.get("status") ?? "").split(",").filter((status) => STATUSES.includes(status)) };
  for (const [name] of FIELDS) filter[name] = params.get(name) ?? "";
  return filter;
};

/** As the query of a listing, and of the page's own address. */
export function query(filter) {
  const params = new URLSearchParams();
  if (filter.status.length) params.set("status", filter.status.join(","));
  for (const [name] of FIELDS) if (filter[name]) params.set(name, filter[name]);
  return params;
}

/** Whether a run belongs into the list: true, false, or null where only the cell can tell. */
export function fits(filter, run) {
  if (filter.status.length && !filter.status.includes(run.status)) return false;
  if (filter.queue && run.queue !== filter.queue) return false;
  if (filter.name && run.name !== filter.name && run.name.split("/")[0] !== filter.name) return false;
  if (!filter.error || run.error === filter.error || run.class === filter.error) return true;
  // Of a failure's names a list knows only two.
  return run.class === null ? false : null;
}

/** The form. `changed` gets every new filter, `entered` is called when the reader is done with it. */
export class FilterForm {
  #boxes = new Map();
  #inputs = new Map();
  #queues = el("datalist", { id: "queues" });

  constructor(changed, entered) {
    let typing = 0;
    const now = () => {
      clearTimeout(typing);
      changed(this.value());
    };
    const soon = () => {
      clearTimeout(typing);
      typing = setTimeout(now, TYPED);
    };
    for (const status of STATUSES) this.#boxes.set(status, el("input", { type: "checkbox", value: status, onchange: now }));
    for (const [name] of FIELDS) this.#inputs.set(name, el("input", { id: `by-${name}`, list: { queue: "queues", error: "names" }[name] ?? null, type: "search", autocomplete: "off", spellcheck: "false", oninput: soon }));
    const submit = (event) => {
      event.preventDefault();
      now();
      entered();
    };
    const clear = () => {
      this.set(from(new URLSearchParams()));
      now();
    };
    this.node = el("form", { class: "filter", role: "search", "aria-label": "Runs", onsubmit: submit },
      el("fieldset", { class: "chips" }, el("legend", { class: "unseen" }, "Status"),
        STATUSES.map((status) => el("label", { class: "chip", "data-status": status }, this.#boxes.get(status), status))),
      el("div", { class: "fields" },
        FIELDS.map(([name, title]) => el("div", {}, el("label", { for: `by-${name}` }, title), this.#inputs.get(name))),
        el("button", { type: "submit", class: "unseen" }, "To the list"),
        el("button", { type: "button", onclick: clear }, "Clear")),
      this.#queues, el("datalist", { id: "names" }, NAMES.map((name) => el("option", { value: name }))));
  }

  value() {
    const filter = { status: STATUSES.filter((status) => this.#boxes.get(status).checked) };
    for (const [name, input] of this.#inputs) filter[name] = input.value.trim();
    return filter;
  }

  set(filter) {
    for (const [status, box] of this.#boxes) box.checked = filter.status.includes(status);
    for (const [name, input] of this.#inputs) if (input.value.trim() !== filter[name]) input.value = filter[name];
  }

  /** Queues to choose from. */
  offer(queues) {
    reconcile(this.#queues, queues, (name) => name, (name) => el("option", { value: name }));
  }
}
