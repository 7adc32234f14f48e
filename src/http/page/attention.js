// What an operator is to look after: task definitions that are paused because they fail again and again, and destinations of
// notifications that do not take them.

import { confirm } from "./ask.js";
import { $, el, reconcile, say, setText } from "./dom.js";
import { ago, clock, duration, now, plain, whole } from "./format.js";
import { change } from "./limits.js";

const breakers = el("div");
const destinations = el("div");
const more = el("p", { class: "quiet" });
const name = (breaker) => `${breaker.taskDefinition} ${breaker.error} ${breaker.class}`;

async function resume({ taskDefinition }) {
  const text = "All its waiting runs are launched, as fast as the limits allow. If the reason is still there it is paused again.";
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
    el("p", { class: "quiet next" }),
    el("p", { class: "quiet examples" }, "Failed lately: ", examples.flatMap((link) => [link, " "])));
}

function updateBreaker(node, breaker) {
  const of = (part) => node.querySelector(part);
  setText(of(".what-failed"), `${whole(breaker.failures)} attempts since ${clock(breaker.since, true)}, none of which started`);
  setText(of(".cause span"), breaker.cause || "ECS gave none.");
  setText(of(".next"), `Paused ${ago(breaker.pausedAt)}. Its other runs wait and use up no attempt. ${probe(breaker)}`);
}

/** What is tried next, to see whether the reason is gone. */
function probe({ nextProbeAt, failedProbes }) {
  const failed = failedProbes === 0 ? "" : failedProbes === 1 ? " One probe has failed." : ` ${whole(failedProbes)} probes have failed.`;
  if (nextProbeAt === null) return `A probe is out, or goes with the next run that is due.${failed}`;
  const wait = (Date.parse(nextProbeAt) - now()) / 1000;
  return `One run is let through as a probe ${wait > 0 ? `in ${duration(Math.ceil(wait))}` : "now"}; if it starts, the others follow.${failed}`;
}

function makeDestination(failure) {
  say(`Notifications cannot be delivered to ${failure.destination}.`);
  return el("section", { class: "panel destination" },
    el("header", {}, el("h2", {}, "Notifications are not delivered: ", el("code", {}, failure.destination))),
    el("p", { class: "cause" }, el("b", {}, "What it said"), el("span")), el("p", { class: "quiet" }));
}

function updateDestination(node, { error, rejected }) {
  setText(node.querySelector(".cause span"), error);
  const many = rejected === 1 ? "1 notification was rejected; it is" : `${whole(rejected)} notifications were rejected; they are`;
  setText(node.lastElementChild, rejected ? `${many} kept and tried again.` : "They are kept, in order, and sent again until they are delivered.");
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
