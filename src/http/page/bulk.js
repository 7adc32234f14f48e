// The same order for many runs, a few at a time.

import { ApiError, send, told } from "./api.js";

const AT_ONCE = 6;

/** Orders `what` for each run; `progress` hears how many are done. Answers the runs it was not done for, each with the reason. */
export async function each(runs, what, body, progress) {
  const waiting = [...runs];
  const failed = [];
  let done = 0;
  const work = async () => {
    for (let run = waiting.shift(); run; run = waiting.shift()) {
      const why = await order(run.run, what, body).then(() => null, told);
      if (why !== null) failed.push({ run, why });
      done += 1;
      progress(done);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return failed;
}

/** Orders `what` for one run: `stop` or `redrive`. A cell that has too much to do is asked again. */
export async function order(run, what, body) {
  for (let tries = 0; ; tries += 1) {
    try {
      return await send("POST", `/v1/runs/${encodeURIComponent(run)}/${what}`, body);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 429 || tries === 5) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** tries));
    }
  }
}
