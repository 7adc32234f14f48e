// What narrows the list: the same in the form, in the page's address and in what is asked of the cell.

import { short } from "./columns.js";
import { el, reconcile } from "./dom.js";
import { plain } from "./format.js";
import { NAMES, STATUSES } from "./words.js";

/** The fields: name in a query, title, what may be typed, and the list of suggestions. */
const FIELDS = [
  ["name", "Name", "part of it, or \"all of it\"", null],
  ["queue", "Queue", null, "queues"],
  ["taskDefinition", "Task definition", "family or family:revision", null],
  ["error", "Failure", "error or class", "failures"],
];
/** Typing is over after so long. */
const TYPED = 300;

export const from = (params) => {
  const filter = { status: (params.get("status") ?? "").split(",").filter((status) => STATUSES.includes(status)) };
  for (const [name] of FIELDS) filter[name] = params.get(name) ?? "";
  return filter;
};

/** A filter that every run matches. */
export const NOTHING = from(new URLSearchParams());

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
  if (filter.name && !isNamed(filter.name, run.name) && !isNamed(filter.name, run.name.split("/")[0])) return false;
  if (filter.taskDefinition && !isOf(filter.taskDefinition, run.taskDefinition)) return false;
  if (!filter.error) return true;
  const wanted = plain(filter.error).toLowerCase();
  if ([run.error, run.class].some((name) => plain(name).toLowerCase() === wanted)) return true;
  // Of a failure's names a list knows only two.
  return run.class === null ? false : null;
}

const WILD = /[*?]/;
let pattern = ["", /(?:)/];

/** As the cell does it: `*` stands for any characters, `?` for one. */
function isNamed(wanted, name) {
  if (!WILD.test(wanted)) return wanted === name;
  if (pattern[0] !== wanted) {
    const text = wanted.replace(/[^*?]+/g, RegExp.escape ?? escape).replaceAll("*", ".*").replaceAll("?", ".");
    pattern = [wanted, new RegExp(`^${text}$`, "s")];
  }
  return pattern[1].test(name);
}

const escape = (text) => text.replace(/[\\^$.|+()[\]{}/]/g, "\\$&");

/** A family stands for its revisions. */
function isOf(wanted, definition) {
  const [one, other] = [short(wanted), short(definition)];
  return one.includes(":") ? one === other : one === other.split(":")[0];
}

/** What is typed as a name is a part of it; in quotation marks it is all of it; with `*` or `?` it is a pattern. */
const typed = (text) => (/^".*"$/.test(text) ? text.slice(1, -1) : text === "" || WILD.test(text) ? text : `*${text}*`);

/** A name of the query as it is typed. */
function typing(name) {
  const part = name.match(/^\*([^*?]+)\*$/);
  if (part) return part[1];
  return name === "" || WILD.test(name) ? name : `"${name}"`;
}

/** The form. `changed` gets every new filter, `entered` is called when the reader is done with it. */
export class FilterForm {
  #boxes = new Map();
  #inputs = new Map();
  #queues = el("datalist", { id: "queues" });

  constructor(changed, entered) {
    let timer = 0;
    const now = () => {
      clearTimeout(timer);
      changed(this.value());
    };
    const soon = () => {
      clearTimeout(timer);
      timer = setTimeout(now, TYPED);
    };
    for (const status of STATUSES) this.#boxes.set(status, el("input", { type: "checkbox", value: status, onchange: now }));
    for (const [name, , placeholder, list] of FIELDS) {
      this.#inputs.set(name, el("input", { id: `by-${name}`, list, placeholder, type: "search", autocomplete: "off", spellcheck: "false", oninput: soon }));
    }
    const submit = (event) => {
      event.preventDefault();
      now();
      entered();
    };
    const clear = () => {
      this.set(NOTHING);
      now();
    };
    this.node = el("form", { class: "filter", role: "search", "aria-label": "Runs", onsubmit: submit },
      el("fieldset", { class: "chips" }, el("legend", { class: "unseen" }, "Status"),
        STATUSES.map((status) => el("label", { class: "chip", "data-status": status }, this.#boxes.get(status), status))),
      el("div", { class: "fields" },
        FIELDS.map(([name, title]) => el("div", {}, el("label", { for: `by-${name}` }, title), this.#inputs.get(name))),
        el("button", { type: "submit", class: "unseen" }, "To the list"),
        el("button", { type: "button", onclick: clear }, "Clear")),
      this.#queues, el("datalist", { id: "failures" }, NAMES.map((name) => el("option", { value: name }))));
  }

  value() {
    const filter = { status: STATUSES.filter((status) => this.#boxes.get(status).checked) };
    for (const [name, input] of this.#inputs) filter[name] = input.value.trim();
    filter.name = typed(filter.name);
    return filter;
  }

  set(filter) {
    for (const [status, box] of this.#boxes) box.checked = filter.status.includes(status);
    for (const [name, input] of this.#inputs) {
      const text = name === "name" ? typing(filter.name) : filter[name];
      if (input.value.trim() !== text) input.value = text;
    }
  }

  /** Queues to choose from. */
  offer(queues) {
    reconcile(this.#queues, queues, (name) => name, (name) => el("option", { value: name }));
  }
}
