"""One `taskwatch local` for one launcher: its address, its record, and what the launcher said."""
import collections
import json
import os
import pathlib
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

import mix
import usage

TARGETS = {"ecs": ("AmazonEC2ContainerServiceV20141113", "1.1"), "sqs": ("AmazonSQS", "1.0"), "events": ("AWSEvents", "1.1")}
ACCOUNT = "123456789012"


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def get(url, timeout=60):
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        return json.load(answer)


def listening(url, process, log):
    """Waits until something answers there, with any status but a 5xx."""
    for _ in range(6000):
        try:
            return urllib.request.urlopen(url, timeout=5).read()
        except urllib.error.HTTPError as error:
            if error.code < 500:
                return error.read()
        except OSError:
            pass
        if process.poll() is not None:
            raise SystemExit(f"{process.args[0]} ended at once: {log.read_text()[-2000:]}")
        time.sleep(0.1)
    raise SystemExit(f"{url} never answered")


class Lab:
    """The endpoint with the mix of failures, and a folder for what is made beside it."""

    def __init__(self, binary, home, runs, seed, quotas):
        self.binary, self.home, self.runs, self.seed, self.quotas = binary, pathlib.Path(home), runs, seed, quotas
        self.home.mkdir(parents=True)
        self.own = collections.Counter()
        self.outcomes_file = self.home / "outcomes.ndjson"
        self.outcomes_file.touch()
        self.endpoint = f"http://127.0.0.1:{free_port()}"
        self.environment = {
            **os.environ, "AWS_ENDPOINT_URL": self.endpoint, "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true",
            "PEERS_OUTCOMES": str(self.outcomes_file), "PEERS_RUNS": str(runs),
        }
        self._processes, self.folders, self.counters = [], [], []
        self.began, self.used_before = time.time(), 0.0

    def __enter__(self):
        script = self.home / "mix.toml"
        script.write_text(mix.SCRIPT)
        raised = [f"{name}={rate}/{burst}" for name, (rate, burst) in mix.QUOTAS[self.quotas].items()]
        listen, quotas = self.endpoint.removeprefix("http://"), [word for each in raised for word in ("--quota", each)]
        arguments = ["--listen", listen, "--cluster", mix.CLUSTER, "--seed", self.seed, "--script", script, *quotas]
        local = self.start("local", [self.binary, "local", *arguments])
        listening(f"{self.endpoint}/_taskwatch/tasks", local, self.home / "local.log")
        self.call("ecs", "RegisterTaskDefinition", mix.TASK_DEFINITION)
        return self

    def __exit__(self, *_):
        for process in reversed(self._processes):
            stop(process)
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)

    def start(self, name, command, environment=None, **more):
        """Starts a process that ends with the lab; its output goes to NAME.log."""
        log = open(self.home / f"{name}.log", "w")
        words = [str(word) for word in command]
        process = subprocess.Popen(words, env=environment or self.environment, stdout=log, stderr=subprocess.STDOUT, cwd=self.home, **more)
        self._processes.append(process)
        return process

    def begin(self, *processes):
        """The fleet begins now: what these processes used until now is not counted as the fleet's."""
        self.used_before = sum(usage.tree([process.pid for process in processes]).values())
        self.began = time.time()

    def call(self, service, operation, body):
        """A call of the bench's own: it is not counted as the launcher's."""
        self.own[f"{service}.{operation}"] += 1
        target, version = TARGETS[service]
        headers = {"x-amz-target": f"{target}.{operation}", "content-type": f"application/x-amz-json-{version}"}
        with urllib.request.urlopen(urllib.request.Request(self.endpoint, json.dumps(body).encode(), headers), timeout=60) as answer:
            return json.load(answer)

    def queue(self, name):
        """A queue that rules and topics may send to."""
        policy = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}]}
        answer = self.call("sqs", "CreateQueue", {"QueueName": name, "Attributes": {"Policy": json.dumps(policy)}})
        return answer["QueueUrl"]

    def ledger(self):
        return get(f"{self.endpoint}/_taskwatch/tasks")

    def calls(self):
        """By operation: those of the endpoint, and of others that count (`counters`, by their addresses)."""
        counted = collections.Counter(get(f"{self.endpoint}/_taskwatch/calls"))
        for address in self.counters:
            counted.update(get(address))
        return counted

    def outcomes(self):
        whole = self.outcomes_file.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def say(self, item, outcome, at, why=""):
        """Notes what the caller came to know, for launchers whose words the bench itself hears."""
        with self.outcomes_file.open("a") as file:
            file.write(json.dumps({"item": item, "outcome": outcome, "at": at, "why": why[:300]}) + "\n")


def stop(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
