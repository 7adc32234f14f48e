// What a run waits for.

import { duration } from "./format.js";
import { instant, now } from "./time.js";

const INSTANT = /\d{4}-\d\d-\d\dT[\d:.]+Z/g;

/** In how long something is due: `in 9 s`, or `now`. */
export function due(at) {
  const seconds = (Date.parse(at) - now()) / 1000;
  return seconds > 0 ? `in ${duration(Math.ceil(seconds))}` : "now";
}

/** A text of the cell's with its instants as this page writes them, and how far ahead they are. */
const readable = (text) => text.replace(INSTANT, (at) => (Date.parse(at) > now() ? `${instant(at)} (${due(at)})` : instant(at)));

/** What a run waits for, as a text; null where it waits for nothing, or the cell has not said. */
export function wait(run) {
  if (run.final) return null;
  if (run.status === "PENDING_RETRY") return run.retryAt ? `next attempt ${due(run.retryAt)}` : "next attempt now";
  return run.waitingFor ? readable(run.waitingFor.text) : null;
}

/** Whether the cell could say what it waits for. */
export const waits = (run) => run.status === "QUEUED";
