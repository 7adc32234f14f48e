// What is in force, and what is paused: queues and task definitions can be paused and resumed.

import { send, told } from "./api.js";
import { confirm } from "./ask.js";
import { $, el, reconcile, say, setText } from "./dom.js";
import { brief, rate } from "./format.js";
import { moment, refresh } from "./time.js";

const FIGURES = [
  ["runTaskRate", "Tasks a second", rate],
  ["runTaskBurst", "Burst", brief],
  ["maxInFlight", "In flight at most", brief],
  ["maxProvisioning", "In PROVISIONING at most", brief],
];
const KINDS = [["queue", "Queue"], ["taskDefinition", "Task definition"]];

const figures = el("dl", { class: "facts tight" });
const pauses = el("ul", { class: "pauses" });
const none = el("p", { class: "quiet" }, "Nothing is paused by an operator.");
const wrong = el("p", { class: "wrong", role: "alert" });

function mount() {
  const kind = el("select", { id: "pause-kind" }, KINDS.map(([value, title]) => el("option", { value }, title)));
  const name = el("input", { id: "pause-name", required: true, autocomplete: "off", maxlength: 255, spellcheck: "false" });
  const pause = async (event) => {
    event.preventDefault();
    const pause = { [kind.value]: name.value.trim() };
    const text = "Its runs wait until somebody resumes it. Tasks that are running continue.";
    const reason = await confirm({ title: `Pause ${title(pause)}?`, text, action: "Pause", reason: "Reason (shown with the pause)" });
    if (reason === null) return;
    if (await change({ pause: [pause], ...(reason && { reason }) }, `Paused ${title(pause)}.`)) name.value = "";
  };
  $("limits").append(figures, pauses, none,
    el("form", { class: "pause", onsubmit: pause },
      el("label", { for: "pause-kind" }, "Kind"), kind,
      el("label", { for: "pause-name" }, "Name"), name,
      el("button", { type: "submit" }, "Pause…")),
    wrong);
}

function makePause(pause) {
  const { queue, taskDefinition, since, by, reason } = pause;
  const resume = () => change({ resume: [{ queue, taskDefinition }] }, `Resumed ${title(pause)}.`);
  return el("li", {},
    el("div", {}, el("span", { class: "paused" }, `Paused: ${title(pause)}`),
      el("p", { class: "quiet" }, by && `by ${by} `, since && moment(since), reason && `: ${reason}`)),
    el("button", { type: "button", onclick: resume, "aria-label": `Resume ${title(pause)}` }, "Resume"));
}

const key = (pause) => JSON.stringify(pause);
export const title = (pause) => KINDS.filter(([kind]) => pause[kind]).map(([kind, name]) => `${name.toLowerCase()} ${pause[kind]}`).join(" ");

/** Whether it was done. */
export async function change(body, done) {
  try {
    show({ limits: await send("PATCH", "/v1/limits", body) });
    setText(wrong, "");
    say(done);
    return true;
  } catch (error) {
    setText(wrong, told(error));
    return false;
  }
}

export function show({ limits }) {
  if (!figures.isConnected) mount();
  const known = FIGURES.filter(([name]) => limits[name] !== undefined);
  reconcile(figures, known, ([name]) => name,
    ([, label]) => el("div", {}, el("dt", {}, label), el("dd", { class: "number" })),
    (row, [name, , format]) => setText(row.lastElementChild, format(limits[name])));
  reconcile(pauses, limits.pauses, key, makePause);
  refresh(pauses);
  none.hidden = limits.pauses.length > 0;
}
