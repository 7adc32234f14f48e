// Asks the cell for runs.

import { get } from "./api.js";
import { asked as queryOf } from "./filter.js";

/** Runs in one answer at most. */
export const LARGEST = 1000;
/** Runs that are selected or counted at once. */
const MOST = 10_000;
/** Answers that fill one page at most. */
const MOST_ASKED = 100;

/** Some runs that match, newest first; `token` is where an earlier answer ended. Of runs that are rare an answer may have few or
    none, and not be the last: it is filled up, as long as somebody may be expected to wait. */
export async function page(filter, limit, token, signal) {
  const runs = [];
  let next = token;
  for (let asked = 0; asked < MOST_ASKED; asked += 1) {
    const params = queryOf(filter);
    params.set("limit", limit - runs.length);
    if (next) params.set("nextToken", next);
    const answer = await get(`/v1/runs?${params}`, signal);
    runs.push(...answer.runs);
    next = answer.nextToken;
    if (next === null || runs.length >= limit) break;
  }
  return { runs, nextToken: next };
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
