// A run's attempts on one time line: a row each, by phase, from the events' own timestamps.

import { el, svg } from "./dom.js";
import { duration } from "./format.js";
import { failure } from "./outcome.js";
import { clockIn, instant, now } from "./time.js";

/** A phase begins at its instant and ends where the next known one begins. */
const PHASES = [["queue", "queuedAt"], ["provisioning", "launchedAt"], ["pull", "pullStartedAt"], ["start", "pullStoppedAt"], ["running", "startedAt"]];
export const NAMES = {
  queue: "Queue", provisioning: "Provisioning", pending: "Provisioning and pending", unstarted: "Did not start", pull: "Pull", start: "Start",
  running: "Running", wait: "Waiting for the retry",
};
/** Where an attempt is as long as ECS has no task for it. */
const STAGES = { Waiting: "waiting for a launch slot", Launching: "RunTask was called", Stopping: "being stopped" };
const HEIGHT = 16;
/** Rows drawn; older ones are in the list below. */
const MOST_ROWS = 60;

const millis = (at) => (at ? Date.parse(at) : null);

/** The phases of an attempt: `{phase, from, to}` in milliseconds. */
export function phases(attempt) {
  const known = PHASES.map(([phase, name]) => ({ phase, from: millis(attempt[name]) })).filter(({ from }) => from !== null);
  const last = known.at(-1)?.from ?? 0;
  const end = millis(attempt.stoppedAt) ?? (attempt.stage === "Over" ? last : Math.max(now(), last));
  return known.map(({ phase, from }, at) => {
    const next = known[at + 1]?.from;
    return { phase: next === undefined ? lasting(phase, attempt) : phase, from, to: Math.max(from, next ?? end) };
  });
}

/** The newest phase: no instant tells when a task left PROVISIONING, but its status does, and that it ended without a pull. */
function lasting(phase, { stage, lastStatus }) {
  if (phase !== "provisioning") return phase;
  if (stage === "Over") return "unstarted";
  return lastStatus === "PENDING" || lastStatus === "ACTIVATING" ? "pending" : phase;
}

const ends = (attempt) => phases(attempt).at(-1)?.to ?? null;

/** What lies between the attempts, too. */
function rows(run) {
  const shown = run.attempts.slice(-MOST_ROWS);
  return shown.map((attempt, at) => {
    const own = phases(attempt);
    const end = ends(attempt);
    const next = millis(shown[at + 1]?.queuedAt) ?? (at === shown.length - 1 ? millis(run.retryAt) : null);
    if (attempt.stage === "Over" && end !== null && next > end) own.push({ phase: "wait", from: end, to: next });
    return { attempt, parts: own };
  });
}

/** The picture. */
export function timeline(run) {
  const all = rows(run);
  const instants = all.flatMap(({ parts }) => parts.flatMap(({ from, to }) => [from, to]));
  if (!instants.length) return el("p", { class: "quiet" }, "Nothing has been launched yet.");
  const [first, last] = [Math.min(...instants), Math.max(...instants)];
  const length = Math.max(1, last - first);
  const percent = (time) => (100 * (time - first)) / length;
  const seen = new Set(all.flatMap(({ parts }) => parts.map(({ phase }) => phase)));
  const total = run.attempts.length + (run.attemptsOmitted ?? 0);
  return el("div", { class: "timeline" },
    total > all.length && el("p", { class: "quiet" }, `The newest ${all.length} of ${total} attempts.`),
    el("ol", {}, all.map(({ attempt, parts }) => row(attempt, parts, percent))),
    el("p", { class: "ends" }, el("span", {}, instant(first)), el("span", {}, duration(length / 1000)), el("span", {}, clockIn(last))),
    el("ul", { class: "legend" }, [...seen].map((phase) => el("li", {}, el("i", { class: "key", "data-phase": phase }), NAMES[phase]))));
}

function row(attempt, parts, percent) {
  const bars = parts.map(({ phase, from, to }) => svg("rect", {
    x: `${Math.min(99.4, percent(from)).toFixed(2)}%`, width: `${Math.max(0.6, percent(to) - percent(from)).toFixed(2)}%`,
    y: phase === "wait" ? HEIGHT / 2 - 1 : 1, height: phase === "wait" ? 2 : HEIGHT - 2, "data-phase": phase,
  }, svg("title", {}, `${NAMES[phase]} ${duration((to - from) / 1000)}`)));
  const said = parts.map(({ phase, from, to }) => `${NAMES[phase]} ${duration((to - from) / 1000)}`).join(", ");
  const outcome = failure(attempt)?.[0] ?? outcomeOf(attempt);
  return el("li", { "data-bad": String(Boolean(attempt.class)) },
    el("span", { class: "number" }, attempt.number),
    svg("svg", { height: HEIGHT, role: "img", "aria-label": said }, bars),
    el("span", { class: "outcome", title: outcome }, outcome));
}

/** An attempt without a failure has reached its goal or goes on. */
export const outcomeOf = (attempt) => (attempt.stage === "Over" ? "reached its goal" : attempt.lastStatus ?? STAGES[attempt.stage] ?? attempt.stage);
