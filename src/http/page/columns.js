// The columns of the list, and the order of runs by each of them.

import { plain } from "./format.js";
import { failure } from "./outcome.js";
import { began, between } from "./time.js";
import { STATUSES } from "./words.js";

/** The name in an ARN, or the name itself. */
export const short = (definition) => definition.split("/").pop();

/** Each column's class, title, name in the page's address, and what it is ordered by; `down`: the greatest come first at first. */
export const COLUMNS = [
  { kind: "state", title: "Status", name: "status", by: (run) => STATUSES.indexOf(run.status) },
  { kind: "name", title: "Run", name: "name", by: (run) => run.name },
  { kind: "definition", title: "Task definition", name: "taskDefinition", by: (run) => short(run.taskDefinition) },
  { kind: "queue", title: "Queue", name: "queue", by: (run) => run.queue },
  { kind: "tries", title: "Attempts", name: "attempts", by: (run) => run.attempts, down: true },
  { kind: "what", title: "What", name: "failure", by: (run) => failure(run)?.join(" ") ?? plain(run.class) },
  { kind: "age", title: "Submitted", name: "submitted", by: (run) => run.run, down: true },
  { kind: "took", title: "Took", name: "took", by: (run) => between(began(run), run.finishedAt), down: true },
];

/** The cell's own order: newest first. */
export const NEWEST = "-submitted";

const texts = new Intl.Collator("en", { numeric: true });

/** An order as it is written in the page's address: a column's name, behind `-` the other way round. Others are none. */
export function order(text) {
  const column = COLUMNS.find(({ name }) => name === (text ?? "").replace(/^-/, ""));
  return column ? text : NEWEST;
}

/** The order that a click on a column's head asks for. */
export function turned(current, { name, down }) {
  if (current === name) return `-${name}`;
  if (current === `-${name}`) return name;
  return down ? `-${name}` : name;
}

/** These runs in an order. Runs that are alike in it stay newest first. */
export function sorted(runs, text) {
  const [down, name] = text.startsWith("-") ? [true, text.slice(1)] : [false, text];
  const { by } = COLUMNS.find((column) => column.name === name);
  const compare = name === "submitted" ? newer : (a, b) => (typeof a === "string" ? texts.compare(a, b) : a - b);
  const keyed = [...runs].map((run) => ({ run, key: by(run) }));
  keyed.sort((a, b) => (down ? compare(b.key, a.key) : compare(a.key, b.key)) || -newer(a.run.run, b.run.run));
  return keyed.map(({ run }) => run);
}

/** Ids are UUIDv7: newer ones are greater. */
const newer = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
