"""The seed's state machine, on moto's interpreter of the Amazon States Language, with `taskwatch local` as its ECS and SNS.

moto's tasks call `http://localhost:$MOTO_PORT`, so set to the endpoint's port the interpreter would drive it unchanged. MiniStack's interpreter calls
its own ECS inside its process, so it cannot. Before a fleet, one task that exits with 1 says whether the interpreter does as Step Functions does."""
import json
import threading
import time
import urllib.request

import lab as labs
import mix
import venvs

from .base import CannotRun, Launcher

HEAD = {"content-type": "application/x-amz-json-1.0", "authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/states/aws4_request"}
ROLE = f"arn:aws:iam::{labs.ACCOUNT}:role/states"


def pascal(value):
    """As the parameters of a state are written. Keys alone: values stay."""
    if isinstance(value, list):
        return [pascal(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {key[0].upper() + key[1:]: pascal(each) for key, each in value.items()}


def machine(retries):
    """The seed's runTask.sync with its Retry. Its messages are left out: the bench reads how the execution ended."""
    parameters = pascal(mix.run_task(0))
    environment = parameters["Overrides"]["ContainerOverrides"][0]["Environment"]
    environment[:] = [{"Name": "TASKWATCH_LOCAL_WORK", "Value.$": "$.work"}, {"Name": "TASKWATCH_LOCAL_EXIT", "Value.$": "$.exit"}]
    retry = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 10, "MaxAttempts": retries, "BackoffRate": 2}]
    run = {"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.sync", "Parameters": parameters, "Retry": retry, "End": True}
    return json.dumps({"StartAt": "Run", "TimeoutSeconds": 3600, "States": {"Run": run}})


class Interpreter:
    def __init__(self, lab):
        port = labs.free_port()
        self.address = f"http://127.0.0.1:{port}"
        environment = {**lab.environment, "MOTO_PORT": lab.endpoint.rpartition(":")[2]}
        environment.pop("AWS_ENDPOINT_URL")
        server = [venvs.python("moto"), "-m", "moto.server", "-H", "127.0.0.1", "-p", port]
        self.process = lab.start("moto", server, environment)
        labs.listening(f"{self.address}/moto-api/", self.process, lab.home / "moto.log")
        config = json.dumps({"stepfunctions": {"execute_state_machine": True}}).encode()
        urllib.request.urlopen(urllib.request.Request(f"{self.address}/moto-api/config", config, {"content-type": "application/json"})).read()

    def create(self, name, retries):
        return self.call("CreateStateMachine", name=name, definition=machine(retries), roleArn=ROLE)["stateMachineArn"]

    def call(self, operation, **body):
        head = {**HEAD, "x-amz-target": f"AWSStepFunctions.{operation}"}
        with urllib.request.urlopen(urllib.request.Request(self.address, json.dumps(body).encode(), head), timeout=120) as answer:
            return json.load(answer)

    def execute(self, machine, work, exit_code=0):
        told = json.dumps({"work": work, "exit": str(exit_code)})
        return self.call("StartExecution", stateMachineArn=machine, input=told)["executionArn"]

    def shown(self, execution):
        return self.call("DescribeExecution", executionArn=execution)


def probe(interpreter):
    """Step Functions fails a state whose container exits with 1; what an interpreter says of failures counts only if it does so too."""
    execution = interpreter.execute(interpreter.create("probe", 0), "probe", exit_code=1)
    for _ in range(150):
        shown = interpreter.shown(execution)
        if shown["status"] != "RUNNING":
            break
        time.sleep(2)
    if shown["status"] == "SUCCEEDED":
        raise CannotRun("moto's interpreter ends a runTask.sync well though its container exited with 1")
    if shown["status"] != "RUNNING":
        if shown.get("error") != "States.TaskFailed":
            raise CannotRun(f"moto's interpreter ends each runTask.sync with {shown.get('error')}: {shown.get('cause')}")
        return
    raise CannotRun("moto's interpreter did not end a state machine within 300 s")


def follow(lab, interpreter, executions):
    while executions:
        for item, execution in list(executions.items()):
            status = interpreter.shown(execution)["status"]
            if status != "RUNNING":
                lab.say(item, "succeeded" if status == "SUCCEEDED" else "failed", time.time(), status)
                del executions[item]
        time.sleep(1)


def start(lab):
    interpreter = Interpreter(lab)
    probe(interpreter)
    machine = interpreter.create("seed", 3)
    lab.begin(interpreter.process)
    executions = {item: interpreter.execute(machine, f"item/{item}") for item in range(lab.runs)}
    threading.Thread(target=follow, args=(lab, interpreter, executions), daemon=True).start()
    return [interpreter.process]


SETTINGS = "Retry of the seed: States.ALL, 10 s, 3 times, backoff 2"
LAUNCHERS = [Launcher("step-functions", "Step Functions, on moto's interpreter", SETTINGS, start, "moto")]
