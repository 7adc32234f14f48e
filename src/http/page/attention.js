// What needs an operator: task definitions that are paused because they fail again and again, and destinations that notifications
// cannot be delivered to.

import { confirm } from "./ask.js";
import { $, el, reconcile, say, setText } from "./dom.js";
import { many, plain, whole } from "./format.js";
import { change } from "./limits.js";
import { clockIn, moment, write } from "./time.js";
import { due } from "./wait.js";

const breakers = el("div");
const destinations = el("div");
const more = el("p", { class: "quiet" });
const name = (breaker) => `${breaker.taskDefinition} ${breaker.error} ${breaker.class}`;

async function resume({ taskDefinition }) {
  const text = "Its waiting runs are launched, as fast as the limits allow. If they fail for the same reason, it is paused again.";
  const done = () => change({ resume: [{ taskDefinition }] }, `Resumed task definition ${taskDefinition}.`);
  if ((await confirm({ title: `Resume ${taskDefinition}?`, text, action: "Resume it" })) !== null) await done();
}

function makeBreaker(breaker) {
  say(`Task definition ${breaker.taskDefinition} is paused.`);
  const title = el("h2", {}, "Paused: ", el("code", {}, breaker.taskDefinition));
  const examples = breaker.examples.toReversed().map((run) => el("a", { href: `#/?name=${encodeURIComponent(run)}` }, run));
  return el("section", { class: "panel breaker" },
    el("header", {}, title,
      el("p", {}, el("i", { class: "key", "data-class": plain(breaker.class) }), el("b", { class: "bad" }, plain(breaker.error)), " ", el("span", { class: "quiet what-failed" })),
      el("button", { type: "button", onclick: () => resume(breaker), "aria-label": `Resume ${breaker.taskDefinition}` }, "Resume…")),
    el("p", { class: "cause" }, el("b", {}, "Cause"), el("span")),
    el("p", { class: "hint" }, el("b", {}, "What to do"), el("span", {}, breaker.hint)),
    el("p", { class: "quiet next" }, "Paused automatically ", moment(breaker.pausedAt), el("span")),
    el("p", { class: "quiet examples" }, "Latest failures: ", examples.flatMap((link) => [link, " "])));
}

function updateBreaker(node, breaker) {
  const of = (part) => node.querySelector(part);
  setText(of(".what-failed"), `${many(breaker.failures, "attempt")} failed since ${clockIn(breaker.since)}; none of them started`);
  setText(of(".cause span"), breaker.cause || "ECS gave no cause.");
  write(of(".next time"), breaker.pausedAt);
  setText(of(".next span"), `. Its other runs wait and use up no attempt. ${probe(breaker)}`);
}

/** What is tried next, to see whether the reason is gone. */
function probe({ nextProbeAt, failedProbes }) {
  const failed = failedProbes === 0 ? "" : failedProbes === 1 ? " One probe has failed." : ` ${whole(failedProbes)} probes have failed.`;
  if (nextProbeAt === null) return `A probe has been launched, or is launched with the next run that is due.${failed}`;
  return `The next probe, one run, is launched ${due(nextProbeAt)}; if it starts, the others are launched too.${failed}`;
}

function makeDestination(failure) {
  say(`Notifications cannot be delivered to ${failure.destination}.`);
  return el("section", { class: "panel destination" },
    el("header", {}, el("h2", {}, "Notifications are not delivered: ", el("code", {}, failure.destination))),
    el("p", { class: "cause" }, el("b", {}, "Error"), el("span")), el("p", { class: "quiet" }));
}

function updateDestination(node, { error, rejected }) {
  setText(node.querySelector(".cause span"), error);
  const some = rejected === 1 ? "1 notification was rejected; it is" : `${whole(rejected)} notifications were rejected; they are`;
  setText(node.lastElementChild, rejected ? `${some} kept and sent again.` : "They are kept, in order, and sent again until they are delivered.");
}

export function show(summary) {
  const root = $("attention");
  if (!breakers.isConnected) root.append(breakers, destinations, more);
  reconcile(breakers, summary.circuitBreakers, name, makeBreaker, updateBreaker);
  reconcile(destinations, summary.deliveryFailures, ({ destination }) => destination, makeDestination, updateDestination);
  const left = [[summary.circuitBreakersLeftOut, "more task definitions are paused"], [summary.deliveryFailuresLeftOut, "more destinations fail"]];
  setText(more, left.filter(([n]) => n).map(([n, what]) => `${whole(n)} ${what}.`).join(" "));
  root.hidden = !summary.circuitBreakers.length && !summary.deliveryFailures.length;
}
