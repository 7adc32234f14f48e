// Asks the cell for runs.

import { get } from "./api.js";
import { query } from "./filter.js";

/** Runs in one answer at most. */
export const LARGEST = 1000;
/** Runs that are selected or counted at once. */
const MOST = 10_000;

/** Some runs that match, newest first; `token` is where an earlier answer ended. */
export function page(filter, limit, token, signal) {
  const params = query(filter);
  params.set("limit", limit);
  if (token) params.set("nextToken", token);
  return get(`/v1/runs?${params}`, signal);
}

/** All runs that match, and whether these are all: there may be too many. */
export async function everything(filter) {
  const runs = [];
  let token = null;
  do {
    const answer = await page(filter, LARGEST, token);
    runs.push(...answer.runs);
    token = answer.nextToken;
  } while (token !== null && runs.length < MOST);
  return { runs, complete: token === null };
}
