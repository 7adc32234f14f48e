// Each attempt in full: its task, what its phases took, and for a failure the cause and what to do.

import { el } from "./dom.js";
import { duration, instant, plain } from "./format.js";
import { outcomeOf, phases } from "./timeline.js";

const TITLES = { queue: "Queue", provisioning: "Provisioning", pull: "Pull", start: "Start", running: "Running" };

/** What a failure's transience says of another try. */
const ADVICE = {
  Transient: "another try may go well",
  Elsewhere: "another try may go well, better at another placement",
  Permanent: "no other try helps until the cause is gone",
  Application: "the program's own end",
};

/** Names and values; what has no value is left out. */
export const facts = (pairs) => el("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
  .map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));

export function attempt(one) {
  const took = phases(one).map(({ phase, from, to }) => [TITLES[phase], duration((to - from) / 1000)]);
  return el("section", { class: "attempt panel", "aria-labelledby": `attempt-${one.number}` },
    el("h3", { id: `attempt-${one.number}` }, `Attempt ${one.number}`, " ",
      el("span", { class: one.class ? "bad" : "quiet" }, one.error ? plain(one.error) : outcomeOf(one))),
    one.class && failure(one),
    facts([
      ["Task", one.taskArn && el("code", { class: "arn" }, one.taskArn)],
      ["Last status", one.lastStatus],
      ["Exit code", one.exitCode === null ? null : String(one.exitCode)],
      ["Placement", one.placement === 0 ? null : `placements[${one.placement - 1}]`],
      ["Stopped", one.stoppedAt && instant(one.stoppedAt)],
      ...took,
    ]));
}

function failure(one) {
  return [
    el("p", { class: "cause" }, el("b", {}, "Cause"), el("span", {}, one.cause || "ECS gave none.")),
    one.hint && el("p", { class: "hint" }, el("b", {}, "What to do"), el("span", {}, one.hint)),
    el("p", { class: "quiet" }, `Class ${plain(one.class)}: ${ADVICE[plain(one.transience)] ?? plain(one.transience)}`),
    el("details", {}, el("summary", {}, "Names that ErrorEquals matches"), el("p", {}, el("code", {}, one.names.join("  ")))),
  ].filter(Boolean);
}
