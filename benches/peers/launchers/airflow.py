"""Airflow's EcsRunTaskOperator."""
import venvs

from .base import DRIVERS, Launcher


def start(*words):
    def begin(lab):
        environment = {**lab.environment, "AIRFLOW_HOME": str(lab.home / "airflow"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                       "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}
        lab.begin()
        command = [venvs.python("airflow"), DRIVERS / "airflow_operator.py", *words]
        return [lab.start("airflow", command, environment)]
    return begin


SETTINGS = ("the operator's own defaults (waiter of 6 s), `retries=3`, `retry_delay` 10 s, 32 processes (`[core] parallelism`), a triggerer's capacity of 1,000 "
            "(`[triggerer] capacity`): Airflow's configuration reference. Called as a worker calls it, without scheduler and database")
LAUNCHERS = [
    Launcher("airflow", "Airflow EcsRunTaskOperator, 32 processes", SETTINGS, start(), "airflow"),
    Launcher("airflow-deferrable", "Airflow EcsRunTaskOperator, deferrable", SETTINGS, start("--deferrable"), "airflow"),
]
