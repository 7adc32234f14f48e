"""How many live tasks `taskwatch local` carries: launches TASKS over HTTP, waits until all run, lists and describes them all, and prints
rates, times and memory.

    taskwatch local --listen 127.0.0.1:4567 --no-quotas --time-scale 20 &
    python tests/python/local_load.py http://127.0.0.1:4567 $! 100000

Only the standard library; four threads, ten tasks a RunTask call; every event goes through a rule into a queue.
"""

import http.client
import json
import sys
import threading
import time
import urllib.parse

URL, PID, TASKS = sys.argv[1], sys.argv[2], int(sys.argv[3])
HOST = urllib.parse.urlparse(URL).netloc
THREADS = 4
TARGETS = {"ecs": "AmazonEC2ContainerServiceV20141113", "sqs": "AmazonSQS", "events": "AWSEvents"}
ARN = "arn:aws:sqs:us-east-1:123456789012:load"


def call(connection, service, operation, body):
    headers = {"x-amz-target": f"{TARGETS[service]}.{operation}", "content-type": "application/x-amz-json-1.1"}
    connection.request("POST", "/", json.dumps(body), headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        sys.exit(f"{operation}: {answer.status} {text[:300]}")
    return json.loads(text or "{}")


def memory():
    for line in open(f"/proc/{PID}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024


def events_in(connection, queue):
    attributes = call(connection, "sqs", "GetQueueAttributes", {"QueueUrl": queue, "AttributeNames": ["All"]})["Attributes"]
    return int(attributes["ApproximateNumberOfMessages"])


def running(connection):
    return call(connection, "ecs", "DescribeClusters", {})["clusters"][0]["runningTasksCount"]


def named(connection):
    """The ARN of every task, by pages of 100."""
    arns, request = [], {"maxResults": 100}
    while True:
        page = call(connection, "ecs", "ListTasks", request)
        arns += page["taskArns"]
        if "nextToken" not in page:
            return arns
        request["nextToken"] = page["nextToken"]


def timed(what, calls, began):
    took = time.monotonic() - began
    print(f"{what}: {calls} calls in {took:.1f} s, {1000 * took / calls:.1f} ms a call")


def list_and_describe(connection):
    began = time.monotonic()
    arns = named(connection)
    timed(f"ListTasks of {len(arns)}", -(-len(arns) // 100), began)
    began = time.monotonic()
    for start in range(0, len(arns), 100):
        answer = call(connection, "ecs", "DescribeTasks", {"tasks": arns[start:start + 100]})
        if len(answer["tasks"]) != len(arns[start:start + 100]):
            sys.exit(f"DescribeTasks: {answer['failures'][:1]}")
    timed(f"DescribeTasks of {len(arns)}", -(-len(arns) // 100), began)


def launch(calls):
    connection = http.client.HTTPConnection(HOST)
    request = {"taskDefinition": "load", "launchType": "FARGATE", "startedBy": "load/1", "count": 10,
               "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a"]}},
               "overrides": {"containerOverrides": [{"name": "load", "environment": [
                   {"name": "TASKWATCH_LOCAL_SECONDS", "value": "1000000"}]}]}}
    for number in range(calls):
        request["clientToken"] = f"{threading.get_ident()}-{number}"
        call(connection, "ecs", "RunTask", request)


def main():
    connection = http.client.HTTPConnection(HOST)
    queue = call(connection, "sqs", "CreateQueue", {"QueueName": "load", "Attributes": {"Policy": json.dumps({"Statement": [
        {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": ARN}
    ]})}})["QueueUrl"]
    call(connection, "events", "PutRule", {"Name": "load", "EventPattern": json.dumps({"source": ["aws.ecs"]})})
    call(connection, "events", "PutTargets", {"Rule": "load", "Targets": [{"Id": "1", "Arn": ARN}]})
    before, began = memory(), time.monotonic()
    threads = [threading.Thread(target=launch, args=(TASKS // 10 // THREADS,)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    print(f"{TASKS} tasks in {took:.1f} s: {TASKS / 10 / took:.0f} RunTask calls and {TASKS / took:.0f} tasks a second, "
          f"beside {events_in(connection, queue) / took:.0f} events a second")
    while running(connection) < TASKS:
        time.sleep(0.2)
    took, events = time.monotonic() - began, events_in(connection, queue)
    print(f"all RUNNING after {took:.1f} s: {events} events in the queue, {events / took:.0f} a second; "
          f"{memory():.0f} MiB (before: {before:.0f})")
    list_and_describe(connection)
    call(connection, "sqs", "PurgeQueue", {"QueueUrl": queue})
    call(connection, "sqs", "DeleteQueue", {"QueueUrl": queue})
    print(f"without the queue {memory():.0f} MiB: {(memory() - before) * 1024 / TASKS:.1f} KiB a live task")


main()
