"""An asset for each item that calls PipesECSClient, materialized in a process with 50 threads. Dagster's daemon, its run launcher and a
process for each step are left out: what they take of the machine comes on top."""
import logging
import warnings

import dagster
from common import pooled, run_task
from dagster_aws.pipes import PipesECSClient

THREADS, RETRIES, SECONDS = 50, 3, 10


def attempt(item):
    @dagster.asset(name=f"item_{item}")
    def launched(context: dagster.AssetExecutionContext):
        return PipesECSClient().run(context=context, run_task_params=run_task(item)).get_materialize_result()

    with dagster.DagsterInstance.ephemeral() as instance:
        dagster.materialize([launched], instance=instance, raise_on_error=True)


def main():
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    pooled(THREADS, attempt, RETRIES, SECONDS)


main()
