// How a run or an attempt ended, in few words: the exit code first, then ECS's name of the failure and its text, nothing twice.

import { plain } from "./format.js";

const EXITED = /container "((?:[^"\\]|\\.)*)" exited with (-?\d+)(?:: )?/g;
/** Says only that a container ended, as after a success. */
const NOTHING = /^Essential container in task exited(?:; )?/;

/** `exit 3 (etl)`: the exit code of a failure, and its container where the cause names it; null where there is none. */
export function exit({ exitCode, cause }) {
  if (!exitCode) return null;
  const of = [...(cause ?? "").matchAll(EXITED)].find(([, , code]) => Number(code) === exitCode);
  return of ? `exit ${exitCode} (${of[1]})` : `exit ${exitCode}`;
}

/** A failure as `[head, rest]`: the head is what must be seen of it. Null where there is none. */
export function failure(one) {
  const code = exit(one);
  if (!one.error && !code) return null;
  const [error, cause] = [plain(one.error), one.cause ?? ""];
  if (!code) return [error, without(cause, error)];
  const rest = cause.replace(NOTHING, "").replace(EXITED, (text, _, of) => (Number(of) === one.exitCode ? "" : text));
  const named = error === "EssentialContainerExited" ? "" : error;
  return [code, [named, without(rest, named)].filter(Boolean).join(": ")];
}

/** A text without the name that it begins with: ECS's texts mostly do. */
const without = (text, name) => (name && text.startsWith(name) ? text.slice(name.length).replace(/^[\s:]+/, "") : text);
