"""Dagster's PipesECSClient."""
import venvs

from .base import DRIVERS, Launcher


def start(lab):
    lab.begin()
    environment = {**lab.environment, "DAGSTER_HOME": str(lab.home / "dagster"), "DAGSTER_DISABLE_TELEMETRY": "1"}
    return [lab.start("dagster", [venvs.python("dagster"), DRIVERS / "pipes_ecs_client.py"], environment)]


SETTINGS = ("the client's defaults (waiter of 6 s, `PipesCloudWatchMessageReader`), 3 retries after 10 s as a `RetryPolicy(max_retries=3, delay=10)` makes them, "
            "50 at once: Dagster's pages on Pipes and AWS ECS, and on op retries. Materialized in threads of one process")
LAUNCHERS = [Launcher("dagster", "Dagster PipesECSClient, 50 threads", SETTINGS, start, "dagster")]
