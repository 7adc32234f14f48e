"""The launchers, in the order of the table."""
from . import airflow, boto3_loop, dagster, prefect, step_functions, taskwatch_run, taskwatch_serve

ALL = [
    *taskwatch_serve.LAUNCHERS,
    *taskwatch_run.LAUNCHERS,
    *boto3_loop.LAUNCHERS,
    *airflow.LAUNCHERS,
    *dagster.LAUNCHERS,
    *prefect.LAUNCHERS,
    *step_functions.LAUNCHERS,
]
