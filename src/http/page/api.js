// Asks the cell. A cell with a token is asked again once the reader has given it.

import * as token from "./token.js";

/** What the cell answered instead of what was asked for. */
export class ApiError extends Error {
  constructor(status, name, message) {
    super(message);
    this.status = status;
    this.name = name;
  }
}

/** A request with the token, if there is one; comes back when the answer is not "which token?". */
export async function ask(path, options = {}) {
  for (;;) {
    const used = token.current();
    const headers = { ...options.headers, ...(used ? { authorization: `Bearer ${used}` } : {}) };
    const response = await fetch(path, { ...options, headers, cache: "no-store", credentials: "omit", redirect: "error" });
    if (response.status !== 401) return response;
    await token.another(used);
  }
}

async function answer(response) {
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new ApiError(response.status, body.error ?? "Error", body.message ?? `the cell answered ${response.status}`);
  return body;
}

export const get = async (path, signal) => answer(await ask(path, { signal }));

export async function send(method, path, body) {
  return answer(await ask(path, { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body) }));
}

/** What to tell the reader of an error. */
export const told = (error) => (error instanceof ApiError ? `${error.name}: ${error.message}` : "The cell did not answer.");
