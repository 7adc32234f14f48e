// What narrows the list: the same in the form, in the page's address and in what is asked of the cell.

import { short } from "./columns.js";
import { el, reconcile } from "./dom.js";
import { plain } from "./format.js";
import { now } from "./time.js";
import { NAMES, STATUSES } from "./words.js";

/** The fields: name in a query, title, what may be typed, and the list of suggestions. */
const FIELDS = [
  ["name", "Name", "part, or \"all of it\"", null],
  ["queue", "Queue", null, "queues"],
  ["taskDefinition", "Task definition", "family:revision", null],
  ["error", "Failure", "error or class", "failures"],
  ["exitCode", "Exit code", null, null],
  ["cause", "Cause", "part of its text", null],
  ["since", "Submitted since", "24h, or a date", null],
];
/** What the cell gives of a cause in a list at most. */
const CAUSE = 300;
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

/** As it is asked of the cell: how long ago is an instant there. */
export function asked(filter) {
  const params = query(filter);
  const since = instant(filter.since);
  if (since !== null) params.set("since", new Date(since).toISOString());
  return params;
}

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400, "": 1 };

/** The instant of `90s`, `24h`, `1h30m`, `7d`, of a day or of an instant, as the command line has them; null for what is none of these. */
function instant(text) {
  const parts = [...text.matchAll(/(\d+)\s*([smhd]?)\s*/g)];
  if (text && parts.map(([part]) => part).join("") === text) {
    return now() - 1000 * parts.reduce((sum, [, number, unit]) => sum + number * SECONDS[unit], 0);
  }
  const at = Date.parse(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : text);
  return Number.isNaN(at) ? null : at;
}

/** Whether a run belongs into the list: true, false, or null where only the cell can tell. */
export function fits(filter, run) {
  if (filter.status.length && !filter.status.includes(run.status)) return false;
  if (filter.queue && run.queue !== filter.queue) return false;
  if (filter.name && !isNamed(filter.name, run.name) && !isNamed(filter.name, run.name.split("/")[0])) return false;
  if (filter.taskDefinition && !isOf(filter.taskDefinition, run.taskDefinition)) return false;
  if (filter.exitCode && String(run.exitCode) !== filter.exitCode) return false;
  if (Date.parse(run.submittedAt) < instant(filter.since)) return false;
  const caused = !filter.cause || finds(filter.cause, run.cause ?? "");
  if (!caused && (run.cause ?? "").length < CAUSE) return false;
  if (!filter.error) return caused || null;
  const wanted = plain(filter.error).toLowerCase();
  if ([run.error, run.class].some((name) => plain(name).toLowerCase() === wanted)) return caused || null;
  // Of a failure's names a list knows only two.
  return run.class === null ? false : null;
}

const WILD = /[*?]/;
const patterns = new Map();

/** A pattern as the cell reads it: `*` stands for any characters, `?` for one. */
function pattern(wanted, flags) {
  const key = `${flags} ${wanted}`;
  if (!patterns.has(key)) {
    const text = wanted.replace(/[^*?]+/g, RegExp.escape ?? escape).replaceAll("*", ".*").replaceAll("?", ".");
    patterns.clear();
    patterns.set(key, new RegExp(`^${text}$`, flags));
  }
  return patterns.get(key);
}

const isNamed = (wanted, name) => (WILD.test(wanted) ? pattern(wanted, "s").test(name) : wanted === name);

/** In capitals or not: a part of a cause, or a pattern for all of it. */
const finds = (wanted, cause) => (WILD.test(wanted) ? pattern(wanted, "si").test(cause) : cause.toLowerCase().includes(wanted.toLowerCase()));

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
