// Task ARNs, and where AWS's console shows their tasks.

import { copy } from "./copy.js";
import { el } from "./dom.js";

// The console's domain by partition: https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
const CONSOLES = { aws: "console.aws.amazon.com", "aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com" };
/** AWS's documentation has this account, and so has `taskwatch local`: no console shows its tasks. */
const NOBODY = "123456789012";

/** The address of a task in AWS's console; null where there is none. `cluster` is for ARNs of before 2018, which name none. */
export function consoleLink(arn, cluster) {
  const [, partition, , region, account, resource] = arn.split(":");
  const parts = (resource ?? "").split("/");
  const domain = CONSOLES[partition];
  if (!domain || !region || parts[0] !== "task" || parts.length < 2 || account === NOBODY) return null;
  const named = parts.length > 2 ? parts[1] : (cluster ?? "default").split("/").pop();
  const path = ["ecs", "v2", "clusters", named, "tasks", parts.at(-1)].map(encodeURIComponent).join("/");
  return `https://${encodeURIComponent(region)}.${domain}/${path}?region=${encodeURIComponent(region)}`;
}

/** A task's ARN, to be copied, and the way to the console. */
export function task(arn, cluster) {
  const link = consoleLink(arn, cluster);
  return el("span", { class: "copied" }, el("code", { class: "arn" }, arn), copy(arn, "task ARN"),
    link && el("a", { href: link, target: "_blank", rel: "noopener noreferrer" }, "AWS console"));
}
