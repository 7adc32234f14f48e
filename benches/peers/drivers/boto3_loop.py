"""run_task, wait for tasks_stopped, look at the exit code: 50 threads."""
import argparse

import boto3
from botocore.config import Config
from common import CLUSTER, pooled, run_task


def attempt(ecs, item):
    answer = ecs.run_task(**run_task(item))
    if answer["failures"]:
        raise RuntimeError(answer["failures"])
    arn = answer["tasks"][0]["taskArn"]
    ecs.get_waiter("tasks_stopped").wait(cluster=CLUSTER, tasks=[arn])
    task = ecs.describe_tasks(cluster=CLUSTER, tasks=[arn])["tasks"][0]
    codes = [container.get("exitCode") for container in task["containers"]]
    if any(code != 0 for code in codes) or not codes:
        raise RuntimeError(f"{task.get('stopCode')}: {task.get('stoppedReason')} {codes}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--retries", type=int, required=True)
    o = parser.parse_args()
    ecs = boto3.client("ecs", config=Config(max_pool_connections=o.threads))
    pooled(o.threads, lambda item: attempt(ecs, item), o.retries)


main()
