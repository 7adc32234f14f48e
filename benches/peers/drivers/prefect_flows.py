"""Makes a flow run for each item, and plays what stands inside the containers: a flow that tells the server that it runs and that it is done.
It knows from the endpoint's record when a container runs. What becomes of a run otherwise is the worker's and the observer's to tell.
A server under load answers some calls with 500 or not in time: such a call is made again, or the bench would end where the fleet goes on."""
import asyncio
import datetime
import json
import os
import pathlib
import time
import urllib.request

import httpx
from common import RUNS, say
from mix import item_of
from prefect import flow, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterEndTime, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import StateType
from prefect.states import Completed, Running

LEDGER = os.environ["AWS_ENDPOINT_URL"] + "/_taskwatch/tasks"
FINAL = [StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED]
# The server that is asked is the one that is measured: so it is asked seldom, and only for what is new. An end can be read a little after its
# own time, hence the overlap; where nothing new was heard for so long, all ends are asked for once.
LOOK, OVERLAP, QUIET = 5, 30, 60


@flow
def work():
    """Its code is never run: the endpoint's tasks run no program."""


async def answered(call):
    """What the server answers in the end. Its refusals are raised; its failures, and calls that got no answer, are made again."""
    pause = 1
    while True:
        try:
            return await call()
        except httpx.HTTPStatusError as refused:
            if refused.response.status_code < 500:
                raise
            print("again after", refused, flush=True)
        except httpx.TransportError as silence:
            print("again after", repr(silence), flush=True)
        await asyncio.sleep(pause)
        pause = min(2 * pause, 30)


async def submit(client):
    flow_id = await answered(lambda: client.create_flow(work))
    deployment = await client.create_deployment(flow_id, "peers", work_pool_name=os.environ["PEERS_POOL"], entrypoint="flows.py:work", path="/")
    ten = asyncio.Semaphore(10)

    async def make(item):
        variables = {"env": {"TASKWATCH_LOCAL_WORK": f"item/{item}"}}
        async with ten:
            made = await answered(lambda: client.create_flow_run_from_deployment(deployment, name=f"item-{item}", job_variables=variables, idempotency_key=f"item-{item}"))
        return item, made.id

    return dict(await asyncio.gather(*map(make, range(RUNS))))


def tasks():
    with urllib.request.urlopen(LEDGER, timeout=60) as answer:
        return json.load(answer)["tasks"]


async def play(client, runs, told):
    """Tells what flows tell, of each task once, and as flows do beside each other."""

    async def tell(run, states):
        for state in states:
            await answered(lambda state=state: client.set_flow_run_state(run, state))

    calls = []
    for task in await asyncio.to_thread(tasks):
        item, states = item_of(task["environment"]), []
        if item not in runs:
            continue
        if task["startedMillis"] and (task["arn"], "running") not in told:
            told.add((task["arn"], "running"))
            states.append(Running())
        if task["executionStoppedMillis"] and task["exitCode"] == 0 and (task["arn"], "done") not in told:
            told.add((task["arn"], "done"))
            states.append(Completed())
        calls.append(tell(runs[item], states))
    await asyncio.gather(*calls)


async def hear(client, runs, heard, since):
    """Notes what the server knows, with its own time of it: of flow runs that ended since then, or of all."""
    item_of_run = {run: item for item, run in runs.items()}
    after = {"end_time": FlowRunFilterEndTime(after_=since)} if since else {}
    wanted = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=FINAL)), **after)
    offset = 0
    while found := await answered(lambda: client.read_flow_runs(flow_run_filter=wanted, limit=200, offset=offset)):
        offset += len(found)
        for run in found:
            if run.id not in heard and run.id in item_of_run:
                heard.add(run.id)
                good = run.state.type == StateType.COMPLETED
                say(item_of_run[run.id], "succeeded" if good else "failed", f"{run.state.name}: {run.state.message}", run.state.timestamp.timestamp())


async def main():
    told, heard = set(), set()
    async with get_client() as client:
        runs = await submit(client)
        pathlib.Path("submitted").touch()
        since, due, news = None, 0.0, time.monotonic()
        while len(heard) < len(runs):
            began = time.monotonic()
            await play(client, runs, told)
            if time.monotonic() >= due:
                due, now, before = time.monotonic() + LOOK, datetime.datetime.now(datetime.timezone.utc), len(heard)
                quiet = time.monotonic() - news > QUIET
                await hear(client, runs, heard, None if quiet else since)
                since = now - datetime.timedelta(seconds=OVERLAP)
                if quiet or len(heard) > before:
                    news = time.monotonic()
            await asyncio.sleep(max(0.0, 1 - (time.monotonic() - began)))


asyncio.run(main())
