"""Drives every operation of `taskwatch local` with boto3 and holds each raw answer to AWS's own service model.

    python conformance.py http://127.0.0.1:PORT

An answer may not have a member that the model does not know, nor one of another type; members named in ALWAYS must be
there, for AWS always sends them. An error must be one that the operation may give. Prints what is wrong; exits with 1.
"""

import json
import sys
import xml.etree.ElementTree as ElementTree

import boto3
import botocore.exceptions
from botocore.config import Config

URL = sys.argv[1]
ACCOUNT = "123456789012"
problems = []
driven = {}

# What AWS sends in every such answer (seen in the API references' examples and in recorded answers).
ALWAYS = {
    "RunTask": ["tasks", "failures"],
    "DescribeTasks": ["tasks", "failures"],
    "StopTask": ["task"],
    "ListTasks": ["taskArns"],
    "DescribeClusters": ["clusters", "failures"],
    "CreateCluster": ["cluster"],
    "RegisterTaskDefinition": ["taskDefinition"],
    "DescribeTaskDefinition": ["taskDefinition"],
    "SendMessage": ["MessageId", "MD5OfMessageBody"],
    "CreateQueue": ["QueueUrl"],
    "PutEvents": ["FailedEntryCount", "Entries"],
    "PutTargets": ["FailedEntryCount", "FailedEntries"],
    "PutRule": ["RuleArn"],
    "Publish": ["MessageId"],
    "PublishBatch": ["Successful", "Failed"],
    "CreateTopic": ["TopicArn"],
    "Subscribe": ["SubscriptionArn"],
}
TASK = ["taskArn", "clusterArn", "taskDefinitionArn", "overrides", "lastStatus", "desiredStatus", "cpu", "memory",
        "containers", "version", "createdAt", "group", "launchType", "attachments", "attributes", "tags",
        "availabilityZone", "enableExecuteCommand"]

# Errors that any operation may give.
COMMON = {"ThrottlingException", "ValidationException", "ValidationError", "AccessDeniedException", "InternalFailure",
          "UnknownOperationException", "SerializationException", "InvalidAction", "MissingParameter",
          "InvalidParameterValue", "InvalidParameter", "NotFound", "MissingRequiredParameter"}

JSON_TYPES = {"string": str, "integer": int, "long": int, "float": (int, float), "double": (int, float), "boolean": bool,
              "timestamp": (int, float), "structure": dict, "map": dict, "list": list, "blob": str}


def wrong(operation, path, what):
    problems.append(f"{operation} {path}: {what}")


def check(operation, path, shape, value):
    """A JSON value against a shape."""
    if value is None:
        return
    expected = JSON_TYPES[shape.type_name]
    if not isinstance(value, expected) or (isinstance(value, bool) and shape.type_name != "boolean"):
        return wrong(operation, path, f"is {type(value).__name__}, the model has {shape.type_name}")
    if shape.type_name == "structure":
        for name, member in value.items():
            if name not in shape.members:
                wrong(operation, f"{path}.{name}", "the model does not know it")
            else:
                check(operation, f"{path}.{name}", shape.members[name], member)
    elif shape.type_name == "list":
        for item in value:
            check(operation, f"{path}[]", shape.member, item)
    elif shape.type_name == "map":
        for item in value.values():
            check(operation, f"{path}{{}}", shape.value, item)
    elif shape.type_name == "string" and getattr(shape, "enum", None) and value not in shape.enum:
        wrong(operation, path, f"{value!r} is none of {shape.enum}")


def strip(tag):
    return tag.rsplit("}", 1)[-1]


def check_xml(operation, path, shape, node):
    """An XML element against a shape of the query protocol."""
    if shape.type_name == "structure":
        known = {member.serialization.get("name", name): member for name, member in shape.members.items()}
        for child in node:
            name = strip(child.tag)
            if name not in known:
                wrong(operation, f"{path}.{name}", "the model does not know it")
            else:
                check_xml(operation, f"{path}.{name}", known[name], child)
    elif shape.type_name == "list":
        for child in node:
            if strip(child.tag) != shape.member.serialization.get("name", "member"):
                wrong(operation, path, f"a list has <{strip(child.tag)}>")
            check_xml(operation, f"{path}[]", shape.member, child)
    elif shape.type_name == "map":
        for entry in node:
            if [strip(part.tag) for part in entry] != ["key", "value"]:
                wrong(operation, path, "a map's entry has no key and value")
    elif len(node):
        wrong(operation, path, f"has elements, the model has {shape.type_name}")


def raw(response):
    return response.content.decode()


def hold(model, response):
    """One raw answer against its operation."""
    operation = model.name
    protocol = model.service_model.protocol
    body = raw(response)
    if response.status_code >= 300:
        return hold_error(model, response, body)
    if protocol == "query":
        root = ElementTree.fromstring(body)
        if strip(root.tag) != f"{operation}Response":
            wrong(operation, "", f"the root is <{strip(root.tag)}>")
        if root.find("{*}ResponseMetadata/{*}RequestId") is None:
            wrong(operation, "", "no ResponseMetadata/RequestId")
        result = root.find(f"{{*}}{operation}Result")
        if model.output_shape and model.output_shape.members:
            if result is None:
                return wrong(operation, "", "no result")
            check_xml(operation, "", model.output_shape, result)
            missing = [name for name in ALWAYS.get(operation, []) if result.find(f"{{*}}{name}") is None]
        else:
            missing = []
    else:
        value = json.loads(body) if body else {}
        if model.output_shape:
            check(operation, "", model.output_shape, value)
        elif value:
            wrong(operation, "", f"the model has no output, the answer is {body[:80]}")
        missing = [name for name in ALWAYS.get(operation, []) if name not in value]
        for task in value.get("tasks", []) if operation in ("RunTask", "DescribeTasks") else []:
            missing += [f"tasks[].{name}" for name in TASK if name not in task and task["launchType"] == "FARGATE"]
    for name in missing:
        wrong(operation, name, "AWS always sends it")
    if not response.headers.get("x-amzn-requestid"):
        wrong(operation, "", "no x-amzn-RequestId")


def hold_error(model, response, body):
    operation = model.name
    if model.service_model.protocol == "query":
        root = ElementTree.fromstring(body)
        code, message = root.findtext("{*}Error/{*}Code"), root.findtext("{*}Error/{*}Message")
    else:
        value = json.loads(body)
        # REST has it in a header.
        named = value.get("__type") or response.headers.get("x-amzn-errortype") or ""
        code, message = named.rsplit("#", 1)[-1], value.get("message") or value.get("Message")
    names = {shape.name for shape in model.error_shapes}
    names |= {shape.metadata.get("error", {}).get("code", shape.name) for shape in model.error_shapes}
    if code not in names | COMMON:
        wrong(operation, "error", f"{code} is none of {sorted(names)}")
    if not message:
        wrong(operation, "error", f"{code} without a message")


def client(service):
    made = boto3.client(service, endpoint_url=URL, region_name="us-east-1",
                        config=Config(retries={"total_max_attempts": 1}))
    held = {}

    def before(model, **_):
        held["model"] = model

    def after(http_response, model, **_):
        driven.setdefault(service, set()).add(model.name)
        hold(model, http_response)

    made.meta.events.register("before-call", before)
    # `after-call` gives the parsed answer; the raw one says more.
    send = made._endpoint._send_request

    def sent(request_dict, operation_model):
        http, parsed = send(request_dict, operation_model)
        after(http, operation_model)
        return http, parsed

    made._endpoint._send_request = sent
    return made


def fails(code, call, **arguments):
    """The call must be refused with this code."""
    try:
        call(**arguments)
    except botocore.exceptions.ClientError as error:
        got = error.response["Error"]["Code"]
        if got not in (code if isinstance(code, tuple) else (code,)):
            problems.append(f"{call.__name__}: refused with {got}, expected {code}")
        return error
    problems.append(f"{call.__name__} {arguments}: not refused, expected {code}")


def that(what, is_so):
    if not is_so:
        problems.append(what)


def drive_sqs(sqs):
    url = sqs.create_queue(QueueName="q", Attributes={"VisibilityTimeout": "1"}, tags={"a": "b"})["QueueUrl"]
    fails(("QueueAlreadyExists", "QueueNameExists"), sqs.create_queue, QueueName="q", Attributes={"VisibilityTimeout": "2"})
    fails(("InvalidParameterValue", "InvalidParameterValueException"), sqs.create_queue, QueueName="no spaces")
    that("GetQueueUrl finds the queue", sqs.get_queue_url(QueueName="q")["QueueUrl"] == url)
    fails(("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"), sqs.get_queue_url, QueueName="nowhere")
    sqs.list_queues(QueueNamePrefix="q")
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    that("a queue has its ARN", attributes["QueueArn"] == f"arn:aws:sqs:us-east-1:{ACCOUNT}:q")
    dlq = sqs.create_queue(QueueName="dlq")["QueueUrl"]
    redrive = json.dumps({"deadLetterTargetArn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:dlq", "maxReceiveCount": 1})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": redrive, "VisibilityTimeout": "0"})
    sqs.tag_queue(QueueUrl=url, Tags={"c": "d"})
    attribute = {"name": {"DataType": "String", "StringValue": "value"}, "n": {"DataType": "Number", "StringValue": "1"},
                 "b": {"DataType": "Binary", "BinaryValue": b"\x00\x01"}}
    # botocore checks MD5OfMessageBody and MD5OfMessageAttributes itself.
    sqs.send_message(QueueUrl=url, MessageBody="hello", MessageAttributes=attribute)
    received = sqs.receive_message(QueueUrl=url, AttributeNames=["All"], MessageAttributeNames=["All"])["Messages"]
    that("a message comes with its attributes", received[0]["MessageAttributes"]["b"]["BinaryValue"] == b"\x00\x01")
    that("a message comes with its counts", received[0]["Attributes"]["ApproximateReceiveCount"] == "1")
    that("it is redriven", "Messages" not in sqs.receive_message(QueueUrl=url))
    moved = sqs.receive_message(QueueUrl=dlq, WaitTimeSeconds=2)["Messages"]
    that("to the DLQ", moved[0]["Body"] == "hello")
    handle = moved[0]["ReceiptHandle"]
    sqs.change_message_visibility(QueueUrl=dlq, ReceiptHandle=handle, VisibilityTimeout=0)
    again = sqs.receive_message(QueueUrl=dlq)["Messages"][0]["ReceiptHandle"]
    sqs.change_message_visibility_batch(QueueUrl=dlq, Entries=[
        {"Id": "1", "ReceiptHandle": again, "VisibilityTimeout": 30}])
    sqs.delete_message(QueueUrl=dlq, ReceiptHandle=again)
    fails("ReceiptHandleIsInvalid", sqs.delete_message, QueueUrl=dlq, ReceiptHandle="rubbish")
    entries = [{"Id": str(n), "MessageBody": f"m{n}", "DelaySeconds": 0} for n in range(10)]
    sent = sqs.send_message_batch(QueueUrl=dlq, Entries=entries)
    that("ten are sent", len(sent["Successful"]) == 10 and not sent.get("Failed"))
    fails(("AWS.SimpleQueueService.BatchEntryIdsNotDistinct", "BatchEntryIdsNotDistinct"), sqs.send_message_batch,
          QueueUrl=dlq, Entries=[entries[0], entries[0]])
    fails(("AWS.SimpleQueueService.TooManyEntriesInBatchRequest", "TooManyEntriesInBatchRequest"),
          sqs.send_message_batch, QueueUrl=dlq, Entries=[{"Id": str(n), "MessageBody": "x"} for n in range(11)])
    fails(("AWS.SimpleQueueService.EmptyBatchRequest", "EmptyBatchRequest"), sqs.delete_message_batch, QueueUrl=dlq,
          Entries=[])
    batch = sqs.receive_message(QueueUrl=dlq, MaxNumberOfMessages=10)["Messages"]
    deleted = sqs.delete_message_batch(QueueUrl=dlq, Entries=[
        {"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(batch)])
    that("ten are deleted", len(deleted["Successful"]) == 10)
    sqs.purge_queue(QueueUrl=dlq)
    other = sqs.create_queue(QueueName="gone")["QueueUrl"]
    sqs.delete_queue(QueueUrl=other)
    fails(("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"), sqs.send_message, QueueUrl=other,
          MessageBody="x")


def drive_sns(sns, sqs):
    topic = sns.create_topic(Name="t", Attributes={"DisplayName": "T"}, Tags=[{"Key": "a", "Value": "b"}])["TopicArn"]
    that("CreateTopic is idempotent", sns.create_topic(Name="t", Attributes={"DisplayName": "T"},
                                                       Tags=[{"Key": "a", "Value": "b"}])["TopicArn"] == topic)
    sns.list_topics()
    sns.set_topic_attributes(TopicArn=topic, AttributeName="DisplayName", AttributeValue="<T&>")
    that("attributes are as set", sns.get_topic_attributes(TopicArn=topic)["Attributes"]["DisplayName"] == "<T&>")
    sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "c", "Value": "d"}])
    queue = sqs.create_queue(QueueName="told")["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:told"
    policy = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
                             "Resource": "*"}]}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True,
                                 Attributes={"FilterPolicy": json.dumps({"status": ["FAILED"]})})["SubscriptionArn"]
    sns.get_subscription_attributes(SubscriptionArn=subscription)
    sns.list_subscriptions()
    attribute = {"status": {"DataType": "String", "StringValue": "FAILED"}}
    sns.publish(TopicArn=topic, Message="filtered out")
    sns.publish(TopicArn=topic, Message="one", Subject="s", MessageAttributes=attribute)
    body = json.loads(sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=2)["Messages"][0]["Body"])
    that("a notification has SNS's envelope", {"Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp",
                                               "SignatureVersion", "Signature", "SigningCertURL", "UnsubscribeURL",
                                               "MessageAttributes"} == set(body))
    that("the filter let the right one through", body["Message"] == "one")
    sns.set_subscription_attributes(SubscriptionArn=subscription, AttributeName="RawMessageDelivery",
                                    AttributeValue="true")
    batch = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[
        {"Id": str(n), "Message": f"m{n}", "MessageAttributes": attribute} for n in range(3)])
    that("three are published", len(batch["Successful"]) == 3)
    received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"])["Messages"]
    that("raw messages carry their attributes", received[0]["MessageAttributes"]["status"]["StringValue"] == "FAILED")
    gone = topic.replace(":t", ":gone")
    fails(("NotFound", "NotFoundException"), sns.publish, TopicArn=gone, Message="x")
    fails("InvalidParameter", sns.publish, TopicArn=topic, Message="")
    fails("InvalidParameter", sns.subscribe, TopicArn=topic, Protocol="pigeon", Endpoint="x")
    sns.unsubscribe(SubscriptionArn=subscription)
    sns.delete_topic(TopicArn=topic)


def drive_events(events, sqs):
    queue = sqs.create_queue(QueueName="ev")["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:ev"
    policy = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"},
                             "Action": "sqs:SendMessage", "Resource": arn}]}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
    pattern = json.dumps({"source": ["mine"], "detail": {"startedBy": [{"prefix": "c/"}]}})
    events.put_rule(Name="r", EventPattern=pattern, Description="d", State="ENABLED", Tags=[{"Key": "a", "Value": "b"}])
    fails("InvalidEventPatternException", events.put_rule, Name="bad", EventPattern='{"source": "x"}')
    events.describe_rule(Name="r")
    fails("ResourceNotFoundException", events.describe_rule, Name="nowhere")
    events.list_rules(NamePrefix="r")
    events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": arn, "RetryPolicy": {"MaximumRetryAttempts": 3},
                                           "DeadLetterConfig": {"Arn": arn}}])
    events.list_targets_by_rule(Rule="r")
    events.list_rule_names_by_target(TargetArn=arn)
    events.disable_rule(Name="r")
    events.enable_rule(Name="r")
    put = events.put_events(Entries=[
        {"Source": "mine", "DetailType": "T", "Detail": json.dumps({"startedBy": "c/1"}), "Resources": ["arn:x"]},
        {"Source": "aws.ecs", "DetailType": "T", "Detail": "{}"},
        {"Source": "mine", "DetailType": "T", "Detail": "not JSON"}])
    that("what AWS reserves and what is no JSON is refused", put["FailedEntryCount"] == 2)
    event = json.loads(sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=2)["Messages"][0]["Body"])
    that("an event has EventBridge's envelope", {"version", "id", "detail-type", "source", "account", "time", "region",
                                                 "resources", "detail"} == set(event))
    that("the pattern is tested", events.test_event_pattern(EventPattern=pattern, Event=json.dumps(event))["Result"])
    fails("InvalidEventPatternException", events.test_event_pattern, EventPattern="[]", Event=json.dumps(event))
    bus = events.create_event_bus(Name="b")["EventBusArn"]
    that("a bus has its ARN", bus == f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/b")
    events.describe_event_bus(Name="b")
    fails("ResourceAlreadyExistsException", events.create_event_bus, Name="b")
    events.delete_event_bus(Name="b")
    events.tag_resource(ResourceARN=f"arn:aws:events:us-east-1:{ACCOUNT}:rule/r", Tags=[{"Key": "c", "Value": "d"}])
    fails("ValidationException", events.delete_rule, Name="r")
    events.remove_targets(Rule="r", Ids=["1"])
    events.delete_rule(Name="r")


def drive_ecs(ecs):
    ecs.create_cluster(clusterName="batch", tags=[{"key": "a", "value": "b"}])
    ecs.list_clusters()
    found = ecs.describe_clusters(clusters=["batch", "nowhere"])
    that("an unknown cluster is MISSING", found["failures"][0]["reason"] == "MISSING")
    container = {"name": "app", "image": "busybox", "essential": True, "memory": 128,
                 "environment": [{"name": "A", "value": "1"}]}
    sidecar = {"name": "log", "image": "fluent", "essential": False, "memory": 64}
    definition = ecs.register_task_definition(
        family="etl", containerDefinitions=[container, sidecar], networkMode="awsvpc", cpu="256", memory="512",
        requiresCompatibilities=["FARGATE"], tags=[{"key": "t", "value": "d"}])["taskDefinition"]
    that("a revision is numbered", definition["revision"] == 1)
    fails("ClientException", ecs.register_task_definition, family="bad name!", containerDefinitions=[container])
    ecs.describe_task_definition(taskDefinition="etl", include=["TAGS"])
    fails("ClientException", ecs.describe_task_definition, taskDefinition="nowhere:3")
    ecs.list_task_definitions(familyPrefix="etl")
    ecs.list_task_definition_families()
    network = {"awsvpcConfiguration": {"subnets": ["subnet-0a"], "assignPublicIp": "ENABLED"}}
    run = dict(cluster="batch", taskDefinition="etl:1", launchType="FARGATE", networkConfiguration=network)
    placed = ecs.run_task(**run, count=2, startedBy="c/1", clientToken="one", propagateTags="TASK_DEFINITION",
                          tags=[{"key": "x", "value": "y"}], enableExecuteCommand=False,
                          overrides={"containerOverrides": [{"name": "app", "command": ["sleep", "100000"]}]})
    that("two are placed", len(placed["tasks"]) == 2)
    again = ecs.run_task(**run, count=2, startedBy="c/1", clientToken="one", propagateTags="TASK_DEFINITION",
                         tags=[{"key": "x", "value": "y"}], enableExecuteCommand=False,
                         overrides={"containerOverrides": [{"name": "app", "command": ["sleep", "100000"]}]})
    arns = [task["taskArn"] for task in placed["tasks"]]
    that("the token replays its answer", [task["taskArn"] for task in again["tasks"]] == arns)
    conflict = fails("ConflictException", ecs.run_task, **run, count=1, clientToken="one")
    that("a conflict names the tasks", conflict and sorted(conflict.response["resourceIds"]) == sorted(arns))
    ec2 = ecs.register_task_definition(family="plain", containerDefinitions=[container])["taskDefinition"]
    ecs.run_task(cluster="batch", taskDefinition=ec2["taskDefinitionArn"], launchType="EC2")
    spot = {name: value for name, value in run.items() if name != "launchType"}
    ecs.run_task(**spot, capacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT", "weight": 1}])
    for code, change in [("ClusterNotFoundException", {"cluster": "nowhere"}),
                         (("ClientException", "InvalidParameterException"), {"taskDefinition": "nowhere"}),
                         ("InvalidParameterException", {"count": 11}),
                         ("InvalidParameterException", {"networkConfiguration": {"awsvpcConfiguration": {"subnets": []}}}),
                         ("InvalidParameterException", {"startedBy": "no spaces"})]:
        fails(code, ecs.run_task, **{**run, **change})
    described = ecs.describe_tasks(cluster="batch", tasks=[arns[0], arns[0][:-4] + "0000"], include=["TAGS"])
    that("an unknown task is MISSING", described["failures"][0]["reason"] == "MISSING")
    that("tags are those of both", len(described["tasks"][0]["tags"]) == 2)
    listed = ecs.list_tasks(cluster="batch", startedBy="c/1")["taskArns"]
    that("tasks are listed by startedBy", sorted(listed) == sorted(arns))
    stopped = ecs.stop_task(cluster="batch", task=arns[0], reason="enough")["task"]
    that("a stop has its reason and code", (stopped["stopCode"], stopped["stoppedReason"]) == ("UserInitiated", "enough"))
    fails("InvalidParameterException", ecs.stop_task, cluster="batch", task=arns[0][:-4] + "0000")
    arn = found["clusters"][0]["clusterArn"]
    ecs.tag_resource(resourceArn=arn, tags=[{"key": "c", "value": "d"}])
    that("tags are listed", len(ecs.list_tags_for_resource(resourceArn=arn)["tags"]) == 2)
    ecs.untag_resource(resourceArn=arn, tagKeys=["c"])
    ecs.deregister_task_definition(taskDefinition="etl:1")
    fails("ClusterContainsTasksException", ecs.delete_cluster, cluster="batch")
    ecs.create_cluster(clusterName="empty")
    ecs.delete_cluster(cluster="empty")


def ecs_target(**more):
    return {"Arn": f"arn:aws:ecs:us-east-1:{ACCOUNT}:cluster/default", "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/r",
            "EcsParameters": {"TaskDefinitionArn": f"arn:aws:ecs:us-east-1:{ACCOUNT}:task-definition/etl:1", "TaskCount": 1,
                              "NetworkConfiguration": {"awsvpcConfiguration": {"Subnets": ["subnet-a"]}}}, **more}


def drive_launches(events, scheduler, cloudtrail):
    events.put_rule(Name="hourly", ScheduleExpression="rate(1 hour)")
    that("a rule shows its schedule", events.describe_rule(Name="hourly")["ScheduleExpression"] == "rate(1 hour)")
    put = events.put_targets(Rule="hourly", Targets=[{"Id": "1", "Input": "{}", **ecs_target()}])
    that("a cluster is a target", put["FailedEntryCount"] == 0)
    shown = events.list_targets_by_rule(Rule="hourly")["Targets"][0]
    that("its parameters are shown", shown["EcsParameters"]["TaskCount"] == 1)
    events.remove_targets(Rule="hourly", Ids=["1"])
    events.delete_rule(Name="hourly")
    window = {"Mode": "OFF"}
    made = scheduler.create_schedule(Name="s", ScheduleExpression="rate(1 hour)", FlexibleTimeWindow=window,
                                     Target=ecs_target(Input="{}"))
    that("a schedule has its ARN", made["ScheduleArn"] == f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule/default/s")
    fails("ConflictException", scheduler.create_schedule, Name="s", ScheduleExpression="rate(1 hour)",
          FlexibleTimeWindow=window, Target=ecs_target())
    fails("ValidationException", scheduler.create_schedule, Name="t", ScheduleExpression="rate(1 second)",
          FlexibleTimeWindow=window, Target=ecs_target())
    that("a schedule shows its target", scheduler.get_schedule(Name="s")["Target"]["Input"] == "{}")
    that("schedules are listed", [one["Name"] for one in scheduler.list_schedules(NamePrefix="s")["Schedules"]] == ["s"])
    scheduler.update_schedule(Name="s", ScheduleExpression="cron(0 2 * * ? *)", FlexibleTimeWindow=window, Target=ecs_target())
    scheduler.delete_schedule(Name="s")
    fails("ResourceNotFoundException", scheduler.get_schedule, Name="s")
    trail = cloudtrail.describe_trails()["trailList"][0]
    that("the trail logs", cloudtrail.get_trail_status(Name=trail["TrailARN"])["IsLogging"])
    fails("TrailNotFoundException", cloudtrail.get_trail_status, Name="nowhere")


def drive_logs(logs, ecs):
    """The lines of a task that was made up, of a driver that the endpoint plays."""
    log = {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/talks", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "p"}}
    container = {"name": "app", "image": "talks:1", "memory": 128, "command": ["sleep", "1"], "logConfiguration": log}
    ecs.register_task_definition(family="talks", containerDefinitions=[container])
    task = ecs.run_task(taskDefinition="talks", launchType="EC2")["tasks"][0]["taskArn"]
    ecs.get_waiter("tasks_stopped").wait(tasks=[task], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    group, stream = "/ecs/talks", f"p/app/{task.rsplit('/', 1)[1]}"
    streams = logs.describe_log_streams(logGroupName=group)["logStreams"]
    that("the stream is that of the task", [one["logStreamName"] for one in streams] == [stream])
    last = logs.get_log_events(logGroupName=group, logStreamName=stream, limit=1)
    that("the last line comes first", [event["message"] for event in last["events"]] == ["app exits with 0"])
    before = logs.get_log_events(logGroupName=group, logStreamName=stream, nextToken=last["nextBackwardToken"])
    that("then those before it", [event["message"] for event in before["events"]] == ["app starts"])
    end = logs.get_log_events(logGroupName=group, logStreamName=stream, nextToken=before["nextBackwardToken"])
    that("at the end the token stays", end["nextBackwardToken"] == before["nextBackwardToken"] and not end["events"])
    head = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)
    that("from the head all", len(head["events"]) == 2)
    behind = logs.get_log_events(logGroupName=group, logStreamName=stream, nextToken=head["nextForwardToken"])
    that("behind the last the token stays", behind["nextForwardToken"] == head["nextForwardToken"])
    found = logs.filter_log_events(logGroupName=group, filterPattern="exits")["events"]
    that("words are looked for", len(found) == 1 and found[0]["logStreamName"] == stream)
    captured = "/aws/events/ecs/containerinsights/default/performance"
    stopped = logs.filter_log_events(logGroupName=captured, filterPattern='{ $.detail.lastStatus = "STOPPED" }')["events"]
    that("event capture has the end", any(json.loads(event["message"])["detail"]["taskArn"] == task for event in stopped))
    fails("ResourceNotFoundException", logs.get_log_events, logGroupName=group, logStreamName="p/app/none")
    fails("ResourceNotFoundException", logs.get_log_events, logGroupName="nowhere", logStreamName="x")
    fails("InvalidParameterException", logs.get_log_events, logGroupName=group, logStreamName=stream, nextToken="rubbish")
    fails("InvalidParameterException", logs.filter_log_events, logGroupName=group, filterPattern="{ $.a = 1 || $.b = 2 }")


def drive_lookups(cloudtrail):
    name = [{"AttributeKey": "EventName", "AttributeValue": "RunTask"}]
    first = cloudtrail.lookup_events(LookupAttributes=name, MaxResults=1)
    that("a call is looked up", [event["EventName"] for event in first["Events"]] == ["RunTask"])
    that("its record is whole", "requestParameters" in json.loads(first["Events"][0]["CloudTrailEvent"]))
    second = cloudtrail.lookup_events(LookupAttributes=name, MaxResults=1, NextToken=first["NextToken"])
    that("then the one before", second["Events"][0]["EventId"] != first["Events"][0]["EventId"])
    fails("InvalidNextTokenException", cloudtrail.lookup_events, NextToken="rubbish")
    fails("InvalidMaxResultsException", cloudtrail.lookup_events, MaxResults=51)


sqs = client("sqs")
drive_sqs(sqs)
drive_sns(client("sns"), sqs)
drive_events(client("events"), sqs)
drive_launches(client("events"), client("scheduler"), client("cloudtrail"))
drive_ecs(client("ecs"))
drive_logs(client("logs"), client("ecs"))
drive_lookups(client("cloudtrail"))
that("the identity is the account's", client("sts").get_caller_identity()["Account"] == ACCOUNT)

for problem in dict.fromkeys(problems):
    print(problem)
print(json.dumps({service: sorted(names) for service, names in driven.items()}), file=sys.stderr)
sys.exit(1 if problems else 0)
