// Each attempt in full: its task, what its phases took, and for a failure the cause and what to do.

import { task } from "./aws.js";
import { el } from "./dom.js";
import { duration, plain } from "./format.js";
import { log } from "./log.js";
import { failure } from "./outcome.js";
import { dated, lasting } from "./time.js";
import { NAMES, outcomeOf, phases } from "./timeline.js";

/** What a failure's transience says of another try. */
const ADVICE = {
  Transient: "another attempt may succeed",
  Elsewhere: "another attempt may succeed, more likely with another placement",
  Permanent: "another attempt fails too, until the cause is removed",
  Application: "the program ended by itself",
};

/** Names and values; what has no value is left out. */
export const facts = (pairs) => el("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
  .map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));

/** `run` is its id, `cluster` the run's, for ARNs that name none. */
export function attempt(run, one, cluster) {
  const took = phases(one).map(({ phase, from, to }, at, { length }) => [NAMES[phase],
    at === length - 1 && one.stage !== "Over" ? lasting(new Date(from).toISOString()) : duration((to - from) / 1000)]);
  const head = failure(one)?.[0] ?? outcomeOf(one);
  const error = plain(one.error);
  return el("section", { class: "attempt panel", "aria-labelledby": `attempt-${one.number}` },
    el("h3", { id: `attempt-${one.number}` }, `Attempt ${one.number}`, " ",
      el("span", { class: one.class ? "bad" : "quiet" }, head, error && error !== head && ` · ${error}`)),
    one.class && explained(one),
    facts([
      ["Exit code", one.exitCode === null ? null : String(one.exitCode)],
      ["Task", one.taskArn && task(one.taskArn, cluster)],
      ["Last status", one.lastStatus],
      ["Placement", one.placement === 0 ? null : `placements[${one.placement - 1}]`],
      ["Stopped", one.stoppedAt && dated(one.stoppedAt)],
      ...took,
    ]),
    log(run, one));
}

function explained(one) {
  return [
    el("p", { class: "cause" }, el("b", {}, "Cause"), el("span", {}, one.cause || "ECS gave no cause.")),
    one.hint && el("p", { class: "hint" }, el("b", {}, "What to do"), el("span", {}, one.hint)),
    el("p", { class: "quiet" }, `Class ${plain(one.class)}: ${ADVICE[plain(one.transience)] ?? plain(one.transience)}`),
    el("details", {}, el("summary", {}, "Names that ErrorEquals matches"), el("p", {}, el("code", {}, one.names.join("  ")))),
  ].filter(Boolean);
}
