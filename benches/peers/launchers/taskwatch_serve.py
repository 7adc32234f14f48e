"""`taskwatch serve`: requests over HTTP, how each run ended over SNS into a queue that the bench reads."""
import json
import subprocess
import threading
import time
import urllib.request

import lab as labs
import mix
import venvs

from .base import DRIVERS, Launcher

ALL_TOLD = "peers-told"


def receive(lab, queue, over):
    """Reads notifications as a subscriber does, and notes when each one came."""
    while not over.is_set():
        body = {"QueueUrl": queue, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1}
        try:
            messages = lab.call("sqs", "ReceiveMessage", body).get("Messages", [])
        except OSError:
            return
        now = time.time()
        for message in messages:
            run = json.loads(message["Body"])["detail"]
            if run.get("final"):
                said = "succeeded" if run["status"] == "SUCCEEDED" else "failed"
                lab.say(int(run["name"].removeprefix("item-")), said, now, str(run.get("error")))
        if messages:
            entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
            lab.call("sqs", "DeleteMessageBatch", {"QueueUrl": queue, "Entries": entries})


def subscribe(lab, topic):
    queue = lab.queue(ALL_TOLD)
    arn = f"arn:aws:sqs:us-east-1:{labs.ACCOUNT}:{ALL_TOLD}"
    form = {"Action": "Subscribe", "TopicArn": topic, "Protocol": "sqs", "Endpoint": arn,
            "Attributes.entry.1.key": "RawMessageDelivery", "Attributes.entry.1.value": "true"}
    urllib.request.urlopen(lab.endpoint, urllib.parse.urlencode(form).encode(), timeout=60).read()
    lab.own["sns.Subscribe"] += 1
    over = threading.Event()
    threading.Thread(target=receive, args=(lab, queue, over), daemon=True).start()


def settings(lab, environment, more=()):
    """`taskwatch setup`, as a user runs it."""
    command = [lab.binary, "setup", "--cell", "peers", "--cluster", mix.CLUSTER, *more]
    made = subprocess.run([str(word) for word in command], env=environment, capture_output=True, text=True)
    if made.returncode:
        raise SystemExit(f"taskwatch setup: {made.stderr}")
    return dict(line.removeprefix("export ").split("=", 1) for line in made.stdout.splitlines() if line.startswith("export "))


def submit(address, runs):
    for begin in range(0, runs, 1000):
        items = range(begin, min(runs, begin + 1000))
        lines = [json.dumps({"name": f"item-{item}", "runTask": mix.run_task(item), "until": "stopped"}) for item in items]
        head = {"content-type": "application/x-ndjson"}
        urllib.request.urlopen(urllib.request.Request(f"{address}/v1/runs", "\n".join(lines).encode(), head), timeout=120).read()


def serve(lab, environment, store, more=()):
    address = f"127.0.0.1:{labs.free_port()}"
    environment = {**environment, "TASKWATCH_LISTEN": address, "TASKWATCH_STORE": store, "TASKWATCH_LOG": "warn", **mix.rates(lab.quotas)}
    environment |= settings(lab, environment, more)
    # What setup asks for is not what launching costs.
    lab.own.update(lab.calls())
    subscribe(lab, environment["TASKWATCH_TOPIC_ARN"].strip("'\""))
    process = lab.start("serve", [lab.binary, "serve"], environment)
    labs.listening(f"http://{address}/readyz", process, lab.home / "serve.log")
    lab.begin(process)
    submit(f"http://{address}", lab.runs)
    return [process]


def on_files(lab):
    return serve(lab, lab.environment, f"file:{lab.home}/store")


def on_a_table(lab):
    python, port = venvs.python("emulators"), labs.free_port()
    environment = {**lab.environment, "GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1"}
    emulator = lab.start("ministack", [python, DRIVERS / "ministack_counted.py"], environment)
    table = f"http://127.0.0.1:{port}"
    labs.listening(table, emulator, lab.home / "ministack.log")
    lab.counters.append(f"{table}/_peers/calls")
    return serve(lab, {**lab.environment, "AWS_ENDPOINT_URL_DYNAMODB": table}, "dynamodb:peers", ["--store", "dynamodb:peers"])


DEFAULTS = "the defaults of docs/settings.md and the default retry policy; with raised quotas the rate and burst of the quota"
LAUNCHERS = [
    Launcher("serve", "taskwatch serve, file store", DEFAULTS, on_files),
    Launcher("serve-dynamodb", "taskwatch serve, DynamoDB store (MiniStack)", DEFAULTS, on_a_table, "emulators"),
]
