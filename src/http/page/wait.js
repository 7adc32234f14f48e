// What a run waits for.

import { duration } from "./format.js";
import { between, instant, now } from "./time.js";

const INSTANT = /\d{4}-\d\d-\d\dT[\d:.]+Z/g;
const SINCE = new RegExp(`since (${INSTANT.source})`, "g");
const AT = new RegExp(`at (${INSTANT.source})`, "g");

/** In how long something is due: `in 9 s`, or `now`. */
export function due(at) {
  const seconds = (Date.parse(at) - now()) / 1000;
  return seconds > 0 ? `in ${duration(Math.ceil(seconds))}` : "now";
}

/** A text of the cell's with its instants as this page writes them, and how far ahead they are. */
export const readable = (text) => text.replace(INSTANT, (at) => (Date.parse(at) > now() ? `${instant(at)} (${due(at)})` : instant(at)));

/** The same for a line that has little room: for how long, and in how long. */
const brief = (text) => text.replace(SINCE, (_, at) => `for ${duration(Math.max(0, Math.round(between(at))))}`)
  .replace(AT, (_, at) => due(at));

/** Whether it has no attempt yet: a list has their number, a run all of them. */
export const isNew = (run) => run.attempts === 0 || run.attempts?.length === 0;

/** What a run waits for; null where it waits for nothing, or the cell has not said. */
export function wait(run, short = false) {
  if (run.final) return null;
  if (run.status === "PENDING_RETRY") return `${isNew(run) ? "starts" : "next attempt"} ${run.retryAt ? due(run.retryAt) : "now"}`;
  if (run.waitingFor) return (short ? brief : readable)(run.waitingFor.text);
  return run.lastStatus && run.lastStatus !== run.status ? `task ${run.lastStatus}` : null;
}

/** Whether the cell could say what it waits for. */
export const waits = (run) => run.status === "QUEUED";
