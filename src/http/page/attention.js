// What an operator is to look after: task definitions that are paused because they fail again and again, and outlets of
// notifications that do not take them.

import { confirm } from "./ask.js";
import { $, el, reconcile, say, setText } from "./dom.js";
import { ago, clock, duration, now, plain, whole } from "./format.js";
import { change } from "./limits.js";

const storms = el("div");
const outlets = el("div");
const more = el("p", { class: "quiet" });
const name = (storm) => `${storm.taskDefinition} ${storm.error} ${storm.class}`;

async function resume({ taskDefinition }) {
  const text = "All its waiting runs are launched, as fast as the limits allow. If the reason is still there it is paused again.";
  const done = () => change({ resume: [{ taskDefinition }] }, `Resumed task definition ${taskDefinition}.`);
  if ((await confirm({ title: `Resume ${taskDefinition}?`, text, action: "Resume it" })) !== null) await done();
}

function makeStorm(storm) {
  say(`Task definition ${storm.taskDefinition} is paused.`);
  const title = el("h2", {}, "Paused: ", el("code", {}, storm.taskDefinition));
  const examples = storm.examples.toReversed().map((run) => el("a", { href: `#/?name=${encodeURIComponent(run)}` }, run));
  return el("section", { class: "panel storm" },
    el("header", {}, title,
      el("p", {}, el("i", { class: "key", "data-class": plain(storm.class) }), el("b", { class: "bad" }, plain(storm.error)), " ", el("span", { class: "quiet what-failed" })),
      el("button", { type: "button", onclick: () => resume(storm), "aria-label": `Resume ${storm.taskDefinition}` }, "Resume…")),
    el("p", { class: "cause" }, el("b", {}, "Cause"), el("span")),
    el("p", { class: "hint" }, el("b", {}, "What to do"), el("span", {}, storm.hint)),
    el("p", { class: "quiet next" }),
    el("p", { class: "quiet examples" }, "Failed lately: ", examples.flatMap((link) => [link, " "])));
}

function updateStorm(node, storm) {
  const of = (part) => node.querySelector(part);
  setText(of(".what-failed"), `${whole(storm.failures)} attempts since ${clock(storm.since, true)}, none of which started`);
  setText(of(".cause span"), storm.cause || "ECS gave none.");
  setText(of(".next"), `Paused ${ago(storm.pausedAt)}. Its other runs wait and lose no attempt. ${probe(storm)}`);
}

/** What is tried next, to see whether the reason is gone. */
function probe({ nextProbeAt, failedProbes }) {
  const failed = failedProbes === 0 ? "" : failedProbes === 1 ? " One probe has failed." : ` ${whole(failedProbes)} probes have failed.`;
  if (nextProbeAt === null) return `A probe is out, or goes with the next run that is due.${failed}`;
  const wait = (Date.parse(nextProbeAt) - now()) / 1000;
  return `One run is let through as a probe ${wait > 0 ? `in ${duration(Math.ceil(wait))}` : "now"}; if it starts, the others follow.${failed}`;
}

function makeOutlet(trouble) {
  say(`Notifications are not taken by ${trouble.outlet}.`);
  return el("section", { class: "panel outlet" },
    el("header", {}, el("h2", {}, "Notifications are not taken: ", el("code", {}, trouble.outlet))),
    el("p", { class: "cause" }, el("b", {}, "What it said"), el("span")), el("p", { class: "quiet" }));
}

function updateOutlet(node, { error, refused }) {
  setText(node.querySelector(".cause span"), error);
  const many = refused === 1 ? "1 notification is refused for what it is; it is" : `${whole(refused)} notifications are refused for what they are; they are`;
  setText(node.lastElementChild, refused ? `${many} kept and tried again.` : "They are kept, in order, and sent again until it takes them.");
}

export function show(summary) {
  const root = $("attention");
  if (!storms.isConnected) root.append(storms, outlets, more);
  reconcile(storms, summary.storms, name, makeStorm, updateStorm);
  reconcile(outlets, summary.troubles, ({ outlet }) => outlet, makeOutlet, updateOutlet);
  const left = [[summary.stormsLeftOut, "more task definitions are paused"], [summary.troublesLeftOut, "more outlets take no notifications"]];
  setText(more, left.filter(([n]) => n).map(([n, what]) => `${whole(n)} ${what}.`).join(" "));
  root.hidden = !summary.storms.length && !summary.troubles.length;
}
