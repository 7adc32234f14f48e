#!/usr/bin/env python3
"""One day of a platform that lost 93,442 of 96,529 launches, lived again: EventBridge's ECS target on one side, taskwatch on the other.

    cargo build --profile bench --bin taskwatch --locked
    python3 benches/nabu.py --binary target/release/taskwatch

The account is public (paradisec-archive/nabu, docs/mediaflux-backup-event-loss.md): on 14 July 2026 96,191 events came at 16 a second, each to launch a Fargate task of
16 vCPU. 4,000 vCPU are 250 tasks at once; three subnets have 33 addresses; 38.2 % of the RunTask calls were throttled; 3,087 containers ran. Two things it does not say
are chosen so that its figures come out: the events come in waves (`--wave`: so many a second for a minute, then none, on average 16), and a task works so long that
it holds its address for the 77 s that 33 addresses, 7,200 s and 3,087 containers give. Quotas of calls are AWS's defaults.

An event that could not be handed over is nobody's loss: if there is one, the exit code is 1, and no picture is drawn.

Needs Python's standard library only, and a quarter of an hour. AWS's time runs `--speed` times faster for taskwatch, whose own waits and rates are set accordingly, and a
fifth of that for EventBridge, so that Python can send the waves.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "peers"))
import svg  # noqa: E402
from lab import ACCOUNT, free_port, get, listening, stop  # noqa: E402

WAVE_SECONDS = 60
EVENTS, A_SECOND, VCPUS, ADDRESSES, TASK_VCPUS = 96_191, 16, 4_000, 33, 16
WAVE = 21  # events a second
RUN_TASK_RATE = 20  # calls a second on Fargate
WORK = "[task]\nseconds = [2, 12]\n"
DEFINITION = {
    "family": "upload", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": str(TASK_VCPUS * 1024), "memory": "32768",
    "containerDefinitions": [{"name": "upload", "image": "upload:1", "essential": True}],
}
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-0a", "subnet-0b", "subnet-0c"]}}
ROOT = pathlib.Path(__file__).resolve().parent.parent


class Day:
    """An endpoint with the account's limits, and what is seen of its tasks while the day passes."""

    def __init__(self, o, name, speed):
        self.o, self.speed = o, speed
        self.home = pathlib.Path(tempfile.mkdtemp(prefix=f"nabu-{name}-"))
        self.endpoint = f"http://127.0.0.1:{free_port()}"
        self.environment = {**os.environ, "AWS_ENDPOINT_URL": self.endpoint, "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
                            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        self.processes, self.tasks, self.curve, self.counters = [], {}, [], {}
        self.not_sent, self.all_sent = 0, False

    def __enter__(self):
        script = self.home / "day.toml"
        script.write_text(WORK)
        limits = ["--max-vcpus", VCPUS, "--max-addresses", ADDRESSES, "--time-scale", self.speed]
        local = self.start("local", ["local", "--listen", self.endpoint.removeprefix("http://"), "--seed", 1, "--script", script, *limits])
        listening(f"{self.endpoint}/_taskwatch/tasks", local, self.home / "local.log")
        self.call("AmazonEC2ContainerServiceV20141113.RegisterTaskDefinition", DEFINITION)
        self.began = time.time()
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            stop(process)

    def start(self, name, arguments, environment=None):
        log = open(self.home / f"{name}.log", "w")
        command = [str(word) for word in [self.o.binary.resolve(), *arguments]]
        process = subprocess.Popen(command, env=environment or self.environment, stdout=log, stderr=subprocess.STDOUT)
        self.processes.append(process)
        return process

    def call(self, target, body):
        head = {"x-amz-target": target, "content-type": "application/x-amz-json-1.1"}
        with urllib.request.urlopen(urllib.request.Request(self.endpoint, json.dumps(body).encode(), head), timeout=120) as answer:
            return json.load(answer)

    def hours(self):
        """Of AWS's time, since the beginning."""
        return (time.time() - self.began) * self.speed / 3600

    def look(self):
        """ECS forgets a task an hour after its end: what it did is kept here. An hour is `3600 / speed` seconds: where the machine stands still for
        so long, tasks are missed, and fewer are seen to run than did. Gives how many are still alive."""
        ledger = get(f"{self.endpoint}/_taskwatch/tasks", 300)
        self.counters, alive = ledger["counters"], 0
        for task in ledger["tasks"]:
            self.tasks[task["arn"]] = (bool(task["startedMillis"]), task["stoppedReason"] or "")
            alive += task["status"] != "STOPPED"
        self.curve.append((self.hours(), sum(ran for ran, _ in self.tasks.values())))
        return alive

    def figures(self):
        calls = self.counters["calls"].get("RunTask", 0)
        throttled = sum(count for name, count in self.counters["throttled"].items() if name.startswith("RunTask"))
        ran = sum(ran for ran, _ in self.tasks.values())
        nowhere = sum("InsufficientFreeAddresses" in why for _, why in self.tasks.values())
        return {"ran": ran, "lost": self.o.events - ran - self.not_sent, "not_sent": self.not_sent, "accepted": len(self.tasks), "without_address": nowhere,
                "run_task_calls": calls, "throttled": throttled, "throttled_share": throttled / max(calls, 1),
                "hours": next(hours for hours, count in self.curve if count == ran), "curve": thinned(self.curve)}


def thinned(curve):
    step = max(1, len(curve) // 200)
    return [(round(hours, 3), ran) for hours, ran in [*curve[::step], curve[-1]]]


def when(o, event):
    """Seconds of AWS's time after which this event comes."""
    wave, within = divmod(event, o.wave * WAVE_SECONDS)
    return wave * WAVE_SECONDS * o.wave / A_SECOND + within / o.wave


def arrivals(o, day, send, batch):
    """Calls `send(first, count)` for all events, when they come. It gives how many were refused; if it raises, none was taken."""
    one_at_a_time = threading.Lock()

    def attempt(first, count):
        try:
            refused = send(first, count)
        except Exception as error:
            print(f"events {first} to {first + count - 1} were not sent: {error!r}", file=sys.stderr, flush=True)
            refused = count
        with one_at_a_time:
            day.not_sent += refused

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        began = time.time()
        for first in range(0, o.events, batch):
            time.sleep(max(0.0, began + when(o, first) / day.speed - time.time()))
            pool.submit(attempt, first, min(batch, o.events - first))
    day.all_sent = True


def eventbridge(o):
    """A rule with an ECS target, as that account had it: no DLQ, the default retry policy."""
    speed = o.speed / 5
    with Day(o, "eventbridge", speed) as day:
        target = {"Id": "1", "Arn": f"arn:aws:ecs:us-east-1:{ACCOUNT}:cluster/default", "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/events",
                  "EcsParameters": {"TaskDefinitionArn": "upload", "LaunchType": "FARGATE", "NetworkConfiguration": NETWORK_OF_TARGETS}}
        day.call("AWSEvents.PutRule", {"Name": "uploads", "EventPattern": json.dumps({"source": ["nabu.catalog"]})})
        day.call("AWSEvents.PutTargets", {"Rule": "uploads", "Targets": [target]})

        def put(_, count):
            entry = {"Source": "nabu.catalog", "DetailType": "Object Created", "Detail": "{}"}
            return day.call("AWSEvents.PutEvents", {"Entries": [entry] * count})["FailedEntryCount"]

        threading.Thread(target=arrivals, args=(o, day, put, 10)).start()
        quiet, before = 0, None
        # Calls that were throttled are made again for hours: over when none is made and no task lives.
        while quiet < 5:
            alive = day.look()
            now = day.counters["calls"].get("RunTask", 0)
            quiet = quiet + 1 if day.all_sent and not alive and now == before else 0
            before = now
            time.sleep(2)
        return day.figures()


NETWORK_OF_TARGETS = {"awsvpcConfiguration": {"Subnets": NETWORK["awsvpcConfiguration"]["subnets"]}}


def taskwatch(o, name, more):
    """A serving cell that gets a request for each event."""
    with Day(o, name, o.speed) as day:
        address = f"127.0.0.1:{free_port()}"
        environment = {**day.environment, "TASKWATCH_LISTEN": address, "TASKWATCH_STORE": f"file:{day.home}/store", "TASKWATCH_LOG": "warn",
                       "TASKWATCH_RUN_TASK_RATE": str(RUN_TASK_RATE * o.speed), "TASKWATCH_RECONCILE_AFTER_SECONDS": str(max(1, int(300 / o.speed))), **more}
        made = subprocess.run([str(o.binary.resolve()), "setup", "--cell", "nabu", "--cluster", "default"], env=environment, check=True, capture_output=True, text=True)
        environment |= dict(line.removeprefix("export ").split("=", 1) for line in made.stdout.splitlines() if line.startswith("export "))
        serve = day.start("serve", ["serve"], environment)
        listening(f"http://{address}/readyz", serve, day.home / "serve.log")
        # The default policy, its waits as much faster as all else.
        retry = [{"ErrorEquals": ["Taskwatch.Capacity"], "IntervalSeconds": 1, "MaxAttempts": 40, "MaxDelaySeconds": 1},
                 {"ErrorEquals": ["Taskwatch.Transient"], "IntervalSeconds": 1, "MaxAttempts": 3}]
        run_task = {"taskDefinition": "upload", "cluster": "default", "launchType": "FARGATE", "networkConfiguration": NETWORK}

        def submit(first, count):
            lines = [json.dumps({"name": f"object-{first + n}", "runTask": run_task, "until": "stopped", "retry": retry}) for n in range(count)]
            head = {"content-type": "application/x-ndjson"}
            urllib.request.urlopen(urllib.request.Request(f"http://{address}/v1/runs", "\n".join(lines).encode(), head), timeout=300).read()
            return 0

        day.began = time.time()
        threading.Thread(target=arrivals, args=(o, day, submit, 500), daemon=True).start()
        ended = {}
        while not day.all_sent or sum(ended.values()) < o.events - day.not_sent:
            day.look()
            ended = get(f"http://{address}/v1/summary")["counters"]["ended"]
            time.sleep(1)
        day.look()
        return {**day.figures(), "ended": ended}


def draw(results, o):
    """How many of the day's launches ran, hour by hour."""
    width, height, left, right, top, bottom = 720, 300, 64, 170, 40, 44
    last = max(result["curve"][-1][0] for result in results.values())
    x = lambda hours: left + (width - left - right) * hours / last  # noqa: E731
    y = lambda ran: height - bottom - (height - top - bottom) * ran / o.events  # noqa: E731
    parts = [svg.text(left, 22, f"{o.events:,} launches in {o.events / A_SECOND / 3600:.1f} hours, addresses for {ADDRESSES} tasks at once: how many ran", size=14, weight="bold")]
    for share in (0, 0.5, 1):
        parts += [svg.line([(left, y(share * o.events)), (width - right, y(share * o.events))], svg.FAINT, 1),
                  svg.text(left - 8, y(share * o.events) + 4, f"{share * o.events:,.0f}", "end")]
    parts += [svg.text(x(hours), height - bottom + 18, f"{hours} h", "middle") for hours in range(0, int(last) + 1, max(1, int(last / 6)))]
    for (name, result), colour in zip(results.items(), ("#cf222e", "#0969da", "#8250df")):
        curve = [*result["curve"], (last, result["ran"])]
        at = min(y(result["ran"]), height - bottom - 20)
        parts += [svg.line([(x(hours), y(ran)) for hours, ran in curve], colour),
                  svg.text(width - right + 12, at + 4, name, colour=colour, weight="bold"),
                  svg.text(width - right + 12, at + 20, f"{result['ran']:,} seen to run", colour=colour)]
    o.docs.joinpath("nabu.svg").write_text(svg.picture(width, height, parts, "One day at nabu: launches that ran"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target/release/taskwatch")
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--speed", type=float, default=300)
    parser.add_argument("--wave", type=int, default=WAVE, help="events a second while they come")
    parser.add_argument("--in-flight", type=int, default=ADDRESSES, help="TASKWATCH_MAX_IN_FLIGHT; 0: as it is by default")
    parser.add_argument("--only", choices=["eventbridge", "taskwatch"])
    parser.add_argument("--docs", type=pathlib.Path, default=ROOT / "docs", help="where the plot goes")
    parser.add_argument("--json", type=pathlib.Path, default=pathlib.Path("nabu.json"))
    o = parser.parse_args()
    sides = {"EventBridge target": eventbridge, "taskwatch": lambda o: taskwatch(o, "taskwatch", {"TASKWATCH_MAX_IN_FLIGHT": str(o.in_flight)} if o.in_flight else {})}
    results = {}
    for name, side in sides.items():
        if not o.only or name.lower().startswith(o.only):
            results[name] = result = side(o)
            print(f"{name}: {result['ran']:,} of {o.events:,} seen to run, {result['lost']:,} lost ({result['lost'] / o.events:.1%}); {result['without_address']:,} accepted tasks had no address; "
                  f"{result['throttled']:,} of {result['run_task_calls']:,} RunTask calls throttled ({result['throttled_share']:.1%}); the last one began after {result['hours']:.1f} h"
                  + (f"; by the cell's own count: {result['ended']}" if "ended" in result else ""), flush=True)
    o.json.write_text(json.dumps({"events": o.events, "speed": o.speed, "load": os.getloadavg()[0], "sides": results}, indent=1) + "\n")
    not_sent = {name: result["not_sent"] for name, result in results.items() if result["not_sent"]}
    if not_sent:
        sys.exit(f"no comparison: events were not sent: {not_sent}")
    if len(results) == len(sides):
        draw(results, o)


main()
