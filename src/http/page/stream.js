// The cell's stream, kept open: it goes on where it was, and comes back by itself with longer and longer pauses.
// By fetch, because an EventSource cannot send the token.

import { ask, ApiError, get } from "./api.js";
import { reader } from "./sse.js";

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 15_000;
/** The cell sends a summary every second: a line that is silent for so long is dead. */
const SILENCE = 20_000;
/** A tab that nobody has looked at for so long gives its place on the cell away. */
const UNSEEN = 60_000;
/** However much comes, the reader's own keys and clicks are seen to so often. */
const TURN = 12;

const aTurn = () => new Promise((resolve) => setTimeout(resolve));

/** Calls what listens: `up`, `down` (`again`: when it is tried next), and the cell's own: `hello`, `summary`, `run`, `resync`. */
export class Stream {
  #listeners;
  #last = null;
  #pause = FIRST_PAUSE;
  #wake = () => {};
  #abort = new AbortController();

  constructor(listeners) {
    this.#listeners = listeners;
  }

  /** Runs as long as the page. */
  async run() {
    let hidden = 0;
    document.addEventListener("visibilitychange", () => {
      clearTimeout(hidden);
      if (document.hidden) hidden = setTimeout(() => this.#abort.abort(), UNSEEN);
      else this.retry();
    });
    addEventListener("online", () => this.retry());
    for (;;) {
      const why = await this.#once().then(() => null, (error) => error);
      const wait = this.#pause * (0.75 + Math.random() / 2);
      this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
      this.#tell("down", { again: Date.now() + wait, why });
      await this.#sleep(wait);
      while (document.hidden) await this.#sleep(LONGEST_PAUSE);
    }
  }

  /** Does not wait any longer. */
  retry() {
    this.#wake();
  }

  #sleep(milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #tell(name, detail) {
    this.#listeners[name]?.(detail);
  }

  async #once() {
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    const headers = this.#last === null ? {} : { "last-event-id": this.#last };
    let watchdog = setTimeout(() => this.#abort.abort(), SILENCE);
    try {
      const response = await ask("/v1/stream?summary=true", { headers, signal });
      if (!response.ok) await this.#refused(response);
      this.#pause = FIRST_PAUSE;
      this.#tell("up");
      const read = reader((name, data, id) => {
        if (id !== null) this.#last = id;
        this.#tell(name, JSON.parse(data));
      });
      const pieces = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let since = performance.now();
      for (let piece = await pieces.read(); !piece.done; piece = await pieces.read()) {
        clearTimeout(watchdog);
        watchdog = setTimeout(() => this.#abort.abort(), SILENCE);
        read(piece.value);
        if (performance.now() - since < TURN) continue;
        await aTurn();
        since = performance.now();
      }
    } finally {
      clearTimeout(watchdog);
    }
  }

  /** As many streams as may are open: what a summary tells is better than nothing. */
  async #refused(response) {
    const body = await response.json().catch(() => ({}));
    if (response.status === 429) this.#tell("summary", await get("/v1/summary"));
    throw new ApiError(response.status, body.error ?? "Error", body.message ?? "");
  }
}
