// The last lines of an attempt's container: asked for only when the reader opens them.

import { get, told } from "./api.js";
import { el } from "./dom.js";

const LINES = 100;

/** A section that asks for the lines of an attempt when it is opened, and each time it is opened again. */
export function log(run, one) {
  const place = one.log;
  if (!one.taskArn || (!one.startedAt && one.exitCode === null)) return null;
  const text = el("pre", { class: "log", tabindex: "0", "aria-label": `Last lines of attempt ${one.number}` });
  const said = el("p", { class: "quiet", role: "status" });
  const link = place?.url && el("a", { href: place.url, target: "_blank", rel: "noopener noreferrer" }, "CloudWatch");
  const details = el("details", { class: "lines" }, el("summary", {}, "Log"), said, text, link && el("p", {}, link));
  text.hidden = true;
  details.addEventListener("toggle", async () => {
    if (!details.open) return;
    said.textContent = "Asking CloudWatch Logs…";
    try {
      const answer = await get(`/v1/runs/${encodeURIComponent(run)}/attempts/${one.number}/log?lines=${LINES}`);
      text.textContent = (answer.lines ?? []).map((line) => line.text.replace(/\n$/, "")).join("\n");
      text.hidden = answer.lines === null;
      said.textContent = answer.lines === null ? `No lines: ${answer.why}` : `${answer.container}: ${answer.group} ${answer.stream}`;
    } catch (error) {
      text.hidden = true;
      said.textContent = told(error);
    }
  });
  return details;
}
