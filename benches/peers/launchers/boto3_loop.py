"""The loop that everybody writes, with boto3."""
import venvs

from .base import DRIVERS, Launcher


def start(retries):
    def begin(lab):
        command = [venvs.python("boto3"), DRIVERS / "boto3_loop.py", "--threads", 50, "--retries", retries]
        lab.begin()
        return [lab.start("boto3", command)]
    return begin


SETTINGS = "boto3's own retries (`legacy`, 5 attempts), 50 threads, `tasks_stopped` waiter as it is: 6 s, 100 times (boto3's documentation of ECS.Waiter.TasksStopped)"
LAUNCHERS = [
    Launcher("boto3", "boto3, run_task and waiter, 50 threads", SETTINGS, start(0), "boto3"),
    Launcher("boto3-retries", "boto3, the same, up to 4 tries", f"{SETTINGS}; 10 s between tries", start(3), "boto3"),
]
