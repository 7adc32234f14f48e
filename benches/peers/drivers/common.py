"""What the drivers share: the bench's requests, and how they tell what they came to know. Runs in each launcher's own environment."""
import json
import os
import pathlib
import queue
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from mix import CLUSTER, CONTAINER, FAMILY, run_task  # noqa: E402, F401

RUNS = int(os.environ["PEERS_RUNS"])
_file, _one_at_a_time = open(os.environ["PEERS_OUTCOMES"], "a"), threading.Lock()


def say(item, outcome, why="", at=None):
    """The caller knows how it ended: now, or since then."""
    with _one_at_a_time:
        _file.write(json.dumps({"item": item, "outcome": outcome, "at": at or time.time(), "why": str(why)[:300]}) + "\n")
        _file.flush()


class Retries:
    """How often an item is tried: `more` times after the first. `later(item)` is called when it is due again."""

    def __init__(self, more, seconds, later):
        self.more, self.seconds, self.later = more, seconds, later
        self.left = dict.fromkeys(range(RUNS), more)

    def failed(self, item, why):
        print(f"item {item}: {why}", file=sys.stderr, flush=True)
        if not self.left[item]:
            return say(item, "failed", why)
        self.left[item] -= 1
        timer = threading.Timer(self.seconds, self.later, [item])
        timer.daemon = True
        timer.start()


def pooled(threads, attempt, more, seconds=10):
    """Calls `attempt(item)` for all items, so many at once. One that raises is tried again; a slot does not wait for that."""
    waiting, over = queue.Queue(), threading.Semaphore(0)
    retries = Retries(more, seconds, waiting.put)

    def work():
        while True:
            item = waiting.get()
            try:
                attempt(item)
                say(item, "succeeded")
                over.release()
            except Exception as error:
                last = not retries.left[item]
                retries.failed(item, f"{type(error).__name__}: {error}")
                if last:
                    over.release()

    for item in range(RUNS):
        waiting.put(item)
    for _ in range(threads):
        threading.Thread(target=work, daemon=True).start()
    for _ in range(RUNS):
        over.acquire()
