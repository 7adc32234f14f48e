// Instants, in a zone that is always named: UTC, as the command line and ECS write them, or the reader's own. How long ago they are.

import { el, setAttribute, setText } from "./dom.js";
import { duration } from "./format.js";

const KEY = "taskwatch.zone";
const MINUTE = 60_000;
const UNITS = [[86_400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

let ahead = 0;
let local = localStorage.getItem(KEY) === "local";

/** The cell's clock, in milliseconds. */
export const now = () => Date.now() + ahead;

/** Sets this page's clock by the cell's. */
export function setNow(at) {
  const cells = Date.parse(at);
  if (!Number.isNaN(cells)) ahead = cells - Date.now();
}

/** Whether times are shown in the reader's own zone. */
export const isLocal = () => local;

/** Shows times in the reader's own zone, or in UTC; this browser remembers it. */
export function setLocal(wanted) {
  local = wanted;
  if (wanted) localStorage.setItem(KEY, "local");
  else localStorage.removeItem(KEY);
}

const digits = (number) => String(number).padStart(2, "0");

/** What the reader's clock is ahead of UTC by at an instant: `+02:00`. */
export function offset(at = now()) {
  const minutes = -new Date(at).getTimezoneOffset();
  const size = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${digits(Math.floor(size / 60))}:${digits(size % 60)}`;
}

/** The zone of an instant's text: `UTC` or `+02:00`. */
export const zone = (at = now()) => (local ? offset(at) : "UTC");

// By hand: the locale's way costs a tenth of a frame, and a list has it in every row.
function iso(at, inLocal) {
  const date = new Date(at);
  const shifted = inLocal ? new Date(date.getTime() - date.getTimezoneOffset() * MINUTE) : date;
  return shifted.toISOString();
}

/** The time of day. */
export const clock = (at, seconds = false) => iso(at, local).slice(11, seconds ? 19 : 16);

/** The time of day with its zone. */
export const clockIn = (at) => `${clock(at, true)} ${zone(at)}`;

/** Day, time of day and zone. */
export const instant = (at) => `${iso(at, local).slice(0, 19).replace("T", " ")} ${zone(at)}`;

/** Seconds between two instants; the second one is now where it is missing. */
export const between = (from, to) => ((to ? Date.parse(to) : now()) - Date.parse(from)) / 1000;

/** When a run was submitted or last redriven: how long it took counts from there. */
export const began = (run) => run.redrivenAt ?? run.submittedAt;

/** How long ago, roughly. */
export function ago(at) {
  const seconds = Math.round(between(at));
  if (seconds < 1) return "now";
  const [size, unit] = UNITS.find(([size]) => seconds >= size);
  return `${Math.floor(seconds / size)} ${unit} ago`;
}

/** An element that says how long ago something was, and under the pointer or with the focus when that was. */
export const moment = (at, stops = true) => write(el("time", { class: "moment", tabindex: stops ? 0 : null }), at);

/** An element that says when something was, and how long ago. */
export const dated = (at) => write(el("time"), at);

/** An element that says for how long something has been so, in whole seconds: it is drawn anew once in each. */
export const lasting = (from) => write(el("time", { class: "lasting" }), from);

/** Gives such an element another instant, or brings it up to date. */
export function write(node, at) {
  const [short, lasts] = ["moment", "lasting"].map((kind) => node.classList.contains(kind));
  setText(node, short ? ago(at) : lasts ? duration(Math.max(0, Math.round(between(at)))) : `${instant(at)} (${ago(at)})`);
  setAttribute(node, "datetime", at);
  setAttribute(node, "data-at", short ? instant(at) : null);
  return node;
}

/** Brings all of them below a node up to date. */
export function refresh(root) {
  for (const node of root.querySelectorAll("time")) write(node, node.getAttribute("datetime"));
}
