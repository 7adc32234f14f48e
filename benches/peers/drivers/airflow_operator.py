"""EcsRunTaskOperator as Airflow's workers call it: 32 processes, which is the default `parallelism` of the LocalExecutor. Deferred, its
trigger runs in one asyncio loop, as in a triggerer. Scheduler and database are left out: what they take of the machine comes on top."""
import argparse
import asyncio
import concurrent.futures
import multiprocessing
import threading

from airflow.providers.amazon.aws.operators.ecs import EcsRunTaskOperator
from airflow.providers.amazon.aws.triggers.ecs import TaskDoneTrigger
from airflow.sdk.exceptions import TaskDeferred
from common import CONTAINER, RUNS, Retries, run_task, say

SLOTS, CAPACITY, RETRIES, SECONDS = 32, 1000, 3, 10


def operator(item, deferrable):
    request = run_task(item)
    return EcsRunTaskOperator(
        task_id=f"item_{item}", cluster=request["cluster"], task_definition=request["taskDefinition"],
        overrides=request["overrides"], capacity_provider_strategy=request["capacityProviderStrategy"],
        network_configuration=request["networkConfiguration"], container_name=CONTAINER, aws_conn_id=None,
        region_name="us-east-1", deferrable=deferrable, do_xcom_push=False)


def work(item, deferrable, event):
    """In a worker: what the task instance does until it ends or is deferred. Gives its state, and the trigger's arguments or why."""
    try:
        it = operator(item, deferrable)
        it.execute({}) if event is None else it.execute_complete({}, event)
        return "success", None
    except TaskDeferred as deferred:
        return "deferred", deferred.trigger.serialize()[1]
    except Exception as error:
        return "failed", f"{type(error).__name__}: {error}"


class Airflow:
    """Workers, and the triggerer beside them."""

    def __init__(self, deferrable):
        self.deferrable = deferrable
        self.workers = concurrent.futures.ProcessPoolExecutor(SLOTS, multiprocessing.get_context("fork"))
        self.retries = Retries(RETRIES, SECONDS, self.queue)
        self.over = threading.Semaphore(0)
        self.loop, self.room = asyncio.new_event_loop(), asyncio.Semaphore(CAPACITY)

    def queue(self, item, event=None):
        working = self.workers.submit(work, item, self.deferrable, event)
        working.add_done_callback(lambda done: self.ended(item, *done.result()))

    def ended(self, item, state, more):
        if state == "deferred":
            return asyncio.run_coroutine_threadsafe(self.triggered(item, TaskDoneTrigger(**more)), self.loop)
        last = state == "success" or not self.retries.left[item]
        say(item, "succeeded") if state == "success" else self.retries.failed(item, more)
        if last:
            self.over.release()

    async def triggered(self, item, trigger):
        async with self.room:
            try:
                async for event in trigger.run():
                    return self.queue(item, event.payload)
            except Exception as error:
                self.ended(item, "failed", f"{type(error).__name__}: {error}")

    def all(self):
        # Forked before there are threads.
        concurrent.futures.wait([self.workers.submit(int) for _ in range(SLOTS)])
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        for item in range(RUNS):
            self.queue(item)
        for _ in range(RUNS):
            self.over.acquire()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--deferrable", action="store_true")
    Airflow(parser.parse_args().deferrable).all()


main()
