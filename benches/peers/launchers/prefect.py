"""Prefect's ECS worker with its observer, and the server that both need."""
import json
import pathlib
import subprocess
import tempfile
import time
import urllib.request

import lab as labs
import mix
import venvs

from .base import DRIVERS, CannotRun, Launcher

QUEUE, POOL = "prefect-ecs-tasks-events", "peers"


def deploy_events(lab):
    """What `prefect-aws ecs-worker deploy-events` makes by CloudFormation: a queue, and a rule for the tasks of the cluster."""
    lab.queue(QUEUE)
    cluster = f"arn:aws:ecs:us-east-1:{labs.ACCOUNT}:cluster/{mix.CLUSTER}"
    pattern = {"source": ["aws.ecs"], "detail-type": ["ECS Task State Change"], "detail": {"clusterArn": [cluster]}}
    lab.call("events", "PutRule", {"Name": "prefect", "EventPattern": json.dumps(pattern)})
    target = {"Id": "1", "Arn": f"arn:aws:sqs:us-east-1:{labs.ACCOUNT}:{QUEUE}"}
    lab.call("events", "PutTargets", {"Rule": "prefect", "Targets": [target]})


def base_job_template(python):
    """The default one of the `ecs` pool, with the network where the request has it: `vpc_id` would ask EC2, which is not here."""
    shown = subprocess.run([str(python), "-c", "import json; from prefect_aws import ECSWorker; print(json.dumps(ECSWorker.get_default_base_job_template()))"],
                           capture_output=True, text=True, check=True)
    template = json.loads(shown.stdout.splitlines()[-1])
    request = mix.run_task(0)
    template["job_configuration"]["task_run_request"]["networkConfiguration"] = request["networkConfiguration"]
    defaults = {"cluster": mix.CLUSTER, "task_definition_arn": mix.FAMILY, "container_name": mix.CONTAINER, "launch_type": "FARGATE_SPOT"}
    for name, value in defaults.items():
        template["variables"]["properties"][name]["default"] = value
    return template


def await_file(lab, path, process):
    while not path.exists():
        if process.poll() is not None:
            raise CannotRun(f"nothing made {path.name}: logs in {lab.home}")
        time.sleep(0.5)


def postgres(lab, python):
    """Prefect's database: with SQLite its server answers 503 at this load. In memory, where there is such a folder."""
    memory = pathlib.Path("/dev/shm")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="peers-postgres-", dir=memory if memory.is_dir() else lab.home))
    lab.folders.append(folder)
    process = lab.start("postgres", [python, DRIVERS / "postgres.py", folder / "data", lab.home / "database"])
    await_file(lab, lab.home / "database", process)
    return (lab.home / "database").read_text()


def start(lab):
    python, port = venvs.python("prefect"), labs.free_port()
    deploy_events(lab)
    database = postgres(lab, python)
    environment = {**lab.environment, "PREFECT_HOME": str(lab.home / "prefect"), "PREFECT_SERVER_DATABASE_CONNECTION_URL": database, "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
                   "PREFECT_LOGGING_LEVEL": "WARNING", "DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
                   "PREFECT_INTEGRATIONS_AWS_ECS_OBSERVER_SQS_QUEUE_NAME": QUEUE, "PEERS_POOL": POOL}
    server = lab.start("server", [python, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", port], environment)
    labs.listening(f"http://127.0.0.1:{port}/api/health", server, lab.home / "server.log")
    pool = json.dumps({"name": POOL, "type": "ecs", "base_job_template": base_job_template(python)}).encode()
    urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/api/work_pools/", pool, {"content-type": "application/json"}), timeout=60).read()
    flows = lab.start("flows", [python, DRIVERS / "prefect_flows.py"], environment)
    await_file(lab, lab.home / "submitted", flows)
    lab.begin(server)
    worker = lab.start("worker", [python, DRIVERS / "kept_up.py", python, "-m", "prefect", "worker", "start", "--pool", POOL, "--type", "ecs"], environment)
    return [worker, server]


SETTINGS = ("the defaults of prefect-aws (RunTask tried 3 times, observer on, rule and queue as `prefect-aws ecs-worker deploy-events` makes them) and of the server (PostgreSQL, which is not measured); all flow runs are made before the worker starts, and it is started again when it ends by itself, as a service is; "
            "task definition by ARN as its page on ECS advises for many runs. What the flow itself tells in its container is told by the bench, at the same moments")
LAUNCHERS = [Launcher("prefect", "Prefect ECS worker, observer and server", SETTINGS, start, "prefect")]
