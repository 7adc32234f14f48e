"""Holds infra/terraform to the provider's arguments, and to infra/fleet.yaml. Needs no provider, and no terraform but for `values`.

    terraform.py schemas FOLDER FIXTURE     every resource and argument is one that the provider has
    terraform.py like TEMPLATE FOLDER       the same resources, policies and alarms as the template
    terraform.py values TEMPLATE FOLDER     what the module writes as JSON, by `terraform console`
"""

import json
import pathlib
import re
import subprocess
import sys

import hcl2
from cfnlint.decode import cfn_yaml

META = {"count", "for_each", "depends_on", "lifecycle", "provider", "__is_block__", "__comments__", "__inline_comments__"}


def read(folder):
    """All blocks of a module: by kind, then by type, then by name."""
    found = {}
    for file in sorted(pathlib.Path(folder).glob("*.tf")):
        with file.open() as text:
            for kind, blocks in hcl2.load(text).items():
                if kind in ("resource", "data"):
                    for block in blocks:
                        for of, named in block.items():
                            for name, body in named.items():
                                found.setdefault(kind, {}).setdefault(bare(of), {})[bare(name)] = body
                elif kind == "locals":
                    for block in blocks:
                        found.setdefault("locals", {}).update({bare(k): v for k, v in block.items() if k not in META})
    return found


def bare(text):
    return text.strip('"')


def is_block(value):
    return isinstance(value, list) and value and isinstance(value[0], dict) and "__is_block__" in value[0]


# --- schemas


def literal(value):
    """The type of what is written; None of an expression, which may be of any."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, list):
        return "list"
    if isinstance(value, dict):
        return "map"
    return "string" if value.startswith('"') and value.endswith('"') else None


def check(where, body, arguments):
    body = {bare(k): v for k, v in body.items()}
    dynamic = {bare(name): [one["content"][0]] for block in body.pop("dynamic", []) for name, one in block.items() if name not in META}
    for name, value in list(body.items()) + list(dynamic.items()):
        if name in META:
            continue
        assert name in arguments, f"{where}: there is no argument {name}; there are {', '.join(sorted(arguments))}"
        wanted = arguments[name]
        is_a_block = is_block(value)
        assert is_a_block == (wanted["type"] == "block"), f"{where}.{name}: block or argument?"
        if is_a_block:
            for one in value:
                check(f"{where}.{name}", one, wanted["arguments"])
        else:
            is_a = literal(value)
            # A number is taken for a string, and both for anything.
            fits = is_a in (None, wanted["type"]) or wanted["type"] in ("any", "object") or (is_a, wanted["type"]) == ("number", "string")
            assert fits, f"{where}.{name} is a {is_a}, wanted a {wanted['type']}"
    given = set(body) | set(dynamic)
    missing = [name for name, of in arguments.items() if of["required"] and name not in given]
    assert not missing, f"{where} lacks {missing}"


def schemas(folder, fixture):
    known = json.loads(pathlib.Path(fixture).read_text())
    count = 0
    for module in {file.parent for file in pathlib.Path(folder).rglob("*.tf")}:
        blocks = read(module)
        for kind, place in (("resource", "resources"), ("data", "data-sources")):
            for of, named in blocks.get(kind, {}).items():
                assert of in known[place], f"{of} is not in {fixture}: make it anew (tests/python/terraform_schemas.py)"
                for name, body in named.items():
                    check(f"{module}: {of}.{name}", body, known[place][of])
                    count += 1
    assert count > 60, count


# --- like the template

# What an expression is called in the template.
NAMES = {
    "aws_sqs_queue.events[each.key].arn": "Cell0EventsQueue.Arn",
    "aws_sqs_queue.events_dlq[each.key].arn": "Cell0EventsDlq.Arn",
    "aws_sqs_queue.requests.arn": "RequestsQueue.Arn",
    "aws_sqs_queue.requests_dlq.arn": "RequestsDlq.Arn",
    "aws_sqs_queue.dlq[0].arn": "Dlq.Arn",
    "aws_sqs_queue.events[each.key].name": "Cell0EventsQueue.QueueName",
    "aws_sqs_queue.events_dlq[each.key].name": "Cell0EventsDlq.QueueName",
    "aws_sqs_queue.requests_dlq.name": "RequestsDlq.QueueName",
    "aws_cloudwatch_event_rule.events[each.key].name": "Cell0EventsRule",
    "aws_sns_topic.runs.arn": "Topic",
    "aws_dynamodb_table.runs[0].arn": "Table.Arn",
    "aws_dynamodb_table.runs[0].name": "Table",
    "aws_iam_role.task.arn": "TaskRole.Arn",
    "aws_efs_file_system.store[0].arn": "arn:${AWS::Partition}:elasticfilesystem:${AWS::Region}:${AWS::AccountId}:file-system/${FileSystem}",
    "aws_efs_access_point.store[0].arn": "arn:${AWS::Partition}:elasticfilesystem:${AWS::Region}:${AWS::AccountId}:access-point/${AccessPoint}",
    "data.aws_caller_identity.current.account_id": "AWS::AccountId",
    "local.dead_letter_arn": "Dlq.Arn",
    "local.account": "${AWS::AccountId}",
    "local.partition": "${AWS::Partition}",
    "local.region": "${AWS::Region}",
    "var.api_token_secret_arn": "ApiTokenSecret",
    "var.image_repository_arn": "ImageRepository",
    "var.name": "${FleetName}",
    "var.requests_queue_arn": "RequestsQueueArn",
    "var.task_clusters": "TaskClusters",
    "var.task_definitions": "TaskDefinitions",
    "var.task_log_groups": "TaskLogGroups",
    "var.callback_arns": "CallbackArns",
    "var.task_role_arns": "TaskRoles",
    "each.key": "${FleetName}-0",
    "var.oldest_event_seconds": "OldestEventSeconds",
    "var.oldest_notification_seconds": "OldestNotificationSeconds",
    "var.failures_per_5_minutes": "FailuresPer5Minutes",
    "var.corrections_per_15_minutes": "CorrectionsPer15Minutes",
}


def ours(value):
    """An expression of the module as the template has it."""
    if not isinstance(value, str):
        return value
    text = bare(value)
    for name, other in NAMES.items():
        text = text.replace("${" + name + "}", other)
    # A value by itself stands for what the template refers to.
    return {"${AWS::AccountId}": "AWS::AccountId"}.get(text, text)


def theirs(value):
    """A value of the template as a text."""
    if isinstance(value, dict):
        if "Ref" in value:
            return value["Ref"]
        if "Fn::FindInMap" in value:
            return theirs(value["Fn::FindInMap"][1])
        if "Fn::GetAtt" in value:
            of = value["Fn::GetAtt"]
            return of if isinstance(of, str) else ".".join(of)
        if "Fn::Sub" in value and isinstance(value["Fn::Sub"], str):
            return value["Fn::Sub"].replace("${Table.Arn}", "Table.Arn")
    return value


def listed(value, as_text):
    values = value if isinstance(value, list) else [value]
    return sorted(str(as_text(one)) for one in values)


def their_statements(document):
    found = []
    for of in document["Statement"]:
        conditions = [(test, name, listed(value, theirs)) for test, all in of.get("Condition", {}).items() for name, value in all.items()]
        principals = [(kind, listed(value, theirs)) for kind, value in of.get("Principal", {}).items()]
        found.append((of.get("Sid", ""), of["Effect"], listed(of["Action"], theirs), listed(of.get("Resource", []), theirs), sorted(conditions), principals))
    return found


def our_statements(document):
    dynamic = [one["content"][0] for block in document.get("dynamic", []) for name, one in block.items() if name not in META]
    found = []
    for of in document["statement"] + dynamic:
        conditions = [(bare(c["test"]), bare(c["variable"]), listed(c["values"], ours)) for c in of.get("condition", [])]
        principals = [(bare(p["type"]), listed(p["identifiers"], ours)) for p in of.get("principals", [])]
        effect = bare(of.get("effect", "Allow"))
        found.append((bare(of.get("sid", "")), effect, listed(of["actions"], ours), listed(of.get("resources", []), ours), sorted(conditions), principals))
    return found


def same(what, one, other):
    assert one == other, f"{what}: the module has\n  {one}\nthe template\n  {other}"


def policies(template, module, places):
    documents = module["data"]["aws_iam_policy_document"]
    same("policies", sorted(documents), sorted(places))
    for name, (resource, *path) in places.items():
        document = template[resource]["Properties"]
        for step in path:
            document = document[step]
        same(f"policy {name}", sorted(our_statements(documents[name])), sorted(their_statements(document)))


def alarms(template, module):
    wanted = {name: of["Properties"] for name, of in template.items() if of["Type"] == "AWS::CloudWatch::Alarm" and not OTHER_CELLS.match(name)}
    camel = lambda name: "".join(word.capitalize() for word in name.split("_")) + "Alarm"
    given = {camel(name): body for name, body in module["resource"]["aws_cloudwatch_metric_alarm"].items()}
    same("alarms", sorted(given), sorted(name.removeprefix("Cell0") for name in wanted))
    for name, of in wanted.items():
        body = given[name.removeprefix("Cell0")]
        same(f"{name} is each cell's", "for_each" in body, name.startswith("Cell0"))
        for argument, property_ in ALARM.items():
            # As many cells as there are; the template has four.
            one = str(ours(body[argument])).replace("local.on_table ? var.cells * 5 - 2 : 4", "local.on_table ? 18 : 4")
            other = of[property_]
            other = "local.on_table ? %s : %s" % tuple(other["Fn::If"][1:]) if isinstance(other, dict) and "Fn::If" in other else theirs(other)
            same(f"{name}: {argument}", one.removeprefix("${").removesuffix("}") if argument == "threshold" else one, str(other))
        dimension = of["Dimensions"][0]
        if "Fn::If" in dimension:
            same(f"{name}: dimensions", body["dimensions"], "${local.dimensions}")
        else:
            [(key, value)] = [(bare(k), ours(v)) for k, v in body["dimensions"].items() if k not in META]
            same(f"{name}: dimensions", (key, value), (dimension["Name"], theirs(dimension["Value"])))


OTHER_CELLS = re.compile(r"Cell[1-9]")

# Arguments of an alarm, and the template's properties.
ALARM = {
    "alarm_name": "AlarmName",
    "alarm_description": "AlarmDescription",
    "namespace": "Namespace",
    "metric_name": "MetricName",
    "statistic": "Statistic",
    "period": "Period",
    "evaluation_periods": "EvaluationPeriods",
    "threshold": "Threshold",
    "comparison_operator": "ComparisonOperator",
    "treat_missing_data": "TreatMissingData",
}

# Resources of the module, by type and name, for those of the template; a bracket holds what the template has inside another.
FLEET = {
    "aws_sqs_queue": {"events": "Cell0EventsQueue", "events_dlq": "Cell0EventsDlq", "requests": "RequestsQueue", "requests_dlq": "RequestsDlq"},
    "aws_sqs_queue_policy": {"events": "Cell0EventsQueuePolicy", "events_dlq": "Cell0EventsDlqPolicy"},
    "aws_cloudwatch_event_rule": {"events": "Cell0EventsRule", "tasks": "TasksRule", "calls": "CallsRule"},
    "aws_cloudwatch_event_target": {"events": "[Targets]", "observed": "[Targets]"},
    "aws_sns_topic": {"runs": "Topic"},
    "aws_dynamodb_table": {"runs": "Table"},
    "aws_efs_file_system": {"store": "FileSystem"},
    "aws_efs_backup_policy": {"store": "[BackupPolicy]"},
    "aws_efs_file_system_policy": {"store": "[FileSystemPolicy]"},
    "aws_efs_access_point": {"store": "AccessPoint"},
    "aws_efs_mount_target": {"store": "MountTargetA MountTargetB"},
    "aws_security_group": {"files": "FilesSecurityGroup", "service": "ServiceSecurityGroup"},
    "aws_vpc_security_group_ingress_rule": {"files": "[SecurityGroupIngress]", "api": "ApiIngress"},
    "aws_vpc_security_group_egress_rule": {"aws": "[SecurityGroupEgress]", "files": "[SecurityGroupEgress]"},
    "aws_iam_role": {"task": "TaskRole", "execution": "ExecutionRole"},
    "aws_iam_role_policy": {"fleet": "TaskPolicy", "observe": "ObservePolicy", "table": "TablePolicy", "callbacks": "CallbackPolicy", "files": "FilesPolicy", "image": "ImagePolicy", "secret": "SecretPolicy", "logs": "[Policies]"},
    "aws_cloudwatch_log_group": {"service": "LogGroup"},
    "aws_ecs_cluster": {"service": "Cluster"},
    "aws_ecs_task_definition": {"service": "TaskDefinition"},
    "aws_ecs_service": {"service": "Service"},
}

DOCUMENTS = {
    "events": ("Cell0EventsQueuePolicy", "PolicyDocument"),
    "events_dlq": ("Cell0EventsDlqPolicy", "PolicyDocument"),
    "file_system": ("FileSystem", "FileSystemPolicy"),
    "assume": ("TaskRole", "AssumeRolePolicyDocument"),
    "fleet": ("TaskPolicy", "PolicyDocument"),
    "observe": ("ObservePolicy", "PolicyDocument"),
    "table": ("TablePolicy", "PolicyDocument"),
    "callbacks": ("CallbackPolicy", "PolicyDocument"),
    "files": ("FilesPolicy", "PolicyDocument"),
    "logs": ("ExecutionRole", "Policies", 0, "PolicyDocument"),
    "image": ("ImagePolicy", "PolicyDocument"),
    "secret": ("SecretPolicy", "PolicyDocument"),
}

# Of a resource of the module and its counterpart: arguments and properties with one value.
VALUES = {
    "aws_sqs_queue": {
        "name": "QueueName",
        "message_retention_seconds": "MessageRetentionPeriod",
        "sqs_managed_sse_enabled": "SqsManagedSseEnabled",
        "receive_wait_time_seconds": "ReceiveMessageWaitTimeSeconds",
        "visibility_timeout_seconds": "VisibilityTimeout",
    },
    "aws_cloudwatch_event_rule": {"name": "Name", "description": "Description", "state": "State"},
    "aws_sns_topic": {"name": "TopicName", "kms_master_key_id": "KmsMasterKeyId"},
    "aws_dynamodb_table": {"name": "TableName", "billing_mode": "BillingMode", "deletion_protection_enabled": "DeletionProtectionEnabled"},
    "aws_efs_file_system": {"encrypted": "Encrypted", "performance_mode": "PerformanceMode", "throughput_mode": "ThroughputMode"},
    "aws_security_group": {"description": "GroupDescription"},
    "aws_iam_role": {"description": "Description"},
    "aws_cloudwatch_log_group": {"name": "LogGroupName"},
    "aws_ecs_cluster": {"name": "ClusterName"},
    "aws_ecs_task_definition": {"family": "Family", "network_mode": "NetworkMode"},
    "aws_ecs_service": {"name": "ServiceName", "launch_type": "LaunchType", "platform_version": "PlatformVersion", "propagate_tags": "PropagateTags"},
}


def resources(template, module):
    given = {of: named for of, named in module["resource"].items() if of != "aws_cloudwatch_metric_alarm"}
    same("resources", {of: sorted(named) for of, named in given.items()}, {of: sorted(named) for of, named in FLEET.items()})
    known = {name for named in FLEET.values() for names in named.values() for name in names.split()}
    wanted = {name for name, of in template.items() if of["Type"] != "AWS::CloudWatch::Alarm" and not OTHER_CELLS.match(name)}
    same("resources of the template", sorted(name for name in known if not name.startswith("[")), sorted(wanted))
    for of, values in VALUES.items():
        for name, counterpart in FLEET[of].items():
            for argument, property_ in values.items():
                one, other = given[of][name].get(argument), template[counterpart]["Properties"].get(property_)
                same(f"{of}.{name}.{argument}", ours(one), theirs(other))
    for of, named in given.items():
        for name, body in named.items():
            condition = template.get(FLEET[of][name], {}).get("Condition")
            only = {"Observes": "var.observe", "OnTable": "local.on_table", "OnEfs": "local.on_efs", "FromEcr": "image_repository_arn", "CallsBack": "var.callback_arns", "HasApi": "local.has_api", "HasApiClients": "local.has_api"}
            if condition:
                same(f"{of}.{name} is there if", only[condition] in str(body.get("count", body.get("for_each"))), True)


def table(template, module):
    of, body = template["Table"]["Properties"], module["resource"]["aws_dynamodb_table"]["runs"]
    index, their_index = body["global_secondary_index"][0], of["GlobalSecondaryIndexes"][0]
    key = lambda of: [bare(of["hash_key"]), bare(of["range_key"])]
    their_key = lambda of: [part["AttributeName"] for part in of["KeySchema"]]
    same("key", key(body), their_key(of))
    same("index", (bare(index["name"]), key(index)), (their_index["IndexName"], their_key(their_index)))
    shown = (bare(index["projection_type"]), [bare(name) for name in index["non_key_attributes"]])
    same("projection", shown, tuple(their_index["Projection"][name] for name in ("ProjectionType", "NonKeyAttributes")))
    kinds = [(bare(one["name"]), bare(one["type"])) for one in body["attribute"]]
    same("attributes", kinds, [(one["AttributeName"], one["AttributeType"]) for one in of["AttributeDefinitions"]])
    ttl = body["ttl"][0]
    same("time to live", (bare(ttl["attribute_name"]), ttl["enabled"]), tuple(of["TimeToLiveSpecification"][n] for n in ("AttributeName", "Enabled")))
    same("backups", body["point_in_time_recovery"][0]["enabled"], of["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"])


def service(template, module):
    of, body = template["Service"]["Properties"], module["resource"]["aws_ecs_service"]["service"]
    by_store = lambda value: "${local.on_table ? %s : %s}" % tuple(theirs(one) for one in value["Fn::If"][1:])
    deployment = of["DeploymentConfiguration"]
    same("desired count", body["desired_count"].replace("var.processes", "Processes"), by_store(of["DesiredCount"]))
    same("least", body["deployment_minimum_healthy_percent"], by_store(deployment["MinimumHealthyPercent"]))
    same("most", body["deployment_maximum_percent"], by_store(deployment["MaximumPercent"]))
    target, their_target = module["resource"]["aws_cloudwatch_event_target"]["events"], template["Cell0EventsRule"]["Properties"]["Targets"][0]
    retry = [target["retry_policy"][0][name] for name in ("maximum_retry_attempts", "maximum_event_age_in_seconds")]
    same("tries", retry, list(their_target["RetryPolicy"].values()))
    dead = ours(target["dead_letter_config"][0]["arn"])
    same("target", (bare(target["target_id"]), ours(target["arn"]), dead), (their_target["Id"], theirs(their_target["Arn"]), theirs(their_target["DeadLetterConfig"]["Arn"])))
    settings = set(re.findall(r"TASKWATCH_\w+", json.dumps(module["locals"])))
    container = template["TaskDefinition"]["Properties"]["ContainerDefinitions"][0]
    # The template has no parameter for the rate.
    same("settings", settings - {"TASKWATCH_RUN_TASK_RATE"}, set(re.findall(r"TASKWATCH_\w+", json.dumps(container["Environment"]))))


def like(path, folder):
    template, module = cfn_yaml.load(path)["Resources"], read(folder)
    if "Schedule" in template:
        policies(template, module, {"assume": ("Role", "AssumeRolePolicyDocument"), "send": ("Role", "Policies", 0, "PolicyDocument")})
        target, of = module["resource"]["aws_scheduler_schedule"]["run"]["target"][0], template["Schedule"]["Properties"]["Target"]
        same("target", [ours(target["arn"]), ours(target["dead_letter_config"][0]["arn"])], [theirs(of["Arn"]), theirs(of["DeadLetterConfig"]["Arn"])])
        return
    resources(template, module)
    table(template, module)
    service(template, module)
    policies(template, module, DOCUMENTS)
    alarms(template, module)


# --- values


def console(expression, **given):
    """What an expression comes to, names replaced by values."""
    for name, value in given.items():
        expression = expression.replace(name.replace("__", "."), value)
    expression = re.sub(r"\$\{(\".*?\")\}", lambda found: found.group(1).strip('"'), expression)
    asked = f"jsonencode({expression})\n" if not expression.startswith("jsonencode") else expression + "\n"
    said = subprocess.run(["terraform", "console"], input=" ".join(asked.split("\n")) + "\n", capture_output=True, text=True, cwd="/")
    assert said.returncode == 0, f"{asked}\n{said.stderr}"
    return json.loads(json.loads(said.stdout.strip().splitlines()[-1]))


def values(path, folder):
    template, module = cfn_yaml.load(path)["Resources"], read(folder)
    inner = lambda value: value.removeprefix("${").removesuffix("}")
    if "Schedule" in template:
        given = {"var.name": '"nightly"', "var.request": '{ until = "stopped" }', "local.request": inner(module["locals"]["request"])}
        text = inner(module["locals"]["input"])
        for name in ("local.request", "var.request", "var.name"):
            text = text.replace(name, given[name])
        sent = json.loads(console(text.replace('${"nightly"}', "nightly")))
        same("input", sent, {"name": "nightly-<aws.scheduler.scheduled-time>", "until": "stopped"})
        return
    rule = inner(module["resource"]["aws_cloudwatch_event_rule"]["events"]["event_pattern"])
    rule = rule.replace("var.task_clusters", '["C"]').replace("${each.key}", "blue-0")
    wanted = template["Cell0EventsRule"]["Properties"]["EventPattern"]
    wanted = {**wanted, "detail": {"startedBy": [{"prefix": "blue-0/"}], "clusterArn": ["C"]}}
    same("pattern", console(rule), wanted)
    cells = [f"blue-{number}/" for number in range(4)]
    for name, resource in (("tasks", "TasksRule"), ("calls", "CallsRule")):
        rule = inner(module["resource"]["aws_cloudwatch_event_rule"][name]["event_pattern"])
        rule = rule.replace("var.task_clusters", '["C"]').replace("local.own_tasks", json.dumps(cells))
        wanted = json.dumps(template[resource]["Properties"]["EventPattern"]).replace('{"Ref": "TaskClusters"}', '["C"]')
        wanted = re.sub(r'{"Fn::Sub": "\${FleetName}(-\d/)"}', r'"blue\1"', wanted)
        same(f"pattern of {name}", console(rule), json.loads(wanted))
    for name in ("events", "requests"):
        redrive = inner(module["resource"]["aws_sqs_queue"][name]["redrive_policy"])
        redrive = re.sub(r"aws_sqs_queue\.\w+(\[each\.key\])?\.arn", '"D"', redrive)
        same(name, console(redrive), {"deadLetterTargetArn": "D", "maxReceiveCount": 100})
    container = inner(module["resource"]["aws_ecs_task_definition"]["service"]["container_definitions"])
    for name, value in (
        ("var.image", '"I"'),
        ("aws_efs_file_system.store", '["S"]'),
        ("local.environment", "{}"),
        ("local.has_api", "true"),
        ("var.api_token_secret_arn", '"A"'),
        ("aws_cloudwatch_log_group.service.name", '"L"'),
        ("local.region", '"R"'),
    ):
        container = container.replace(name, value)
    container = console(container)[0]
    plain = lambda value: value.get("Fn::If", [None, value])[1] if isinstance(value, dict) else value

    def lowered(value):
        value = plain(value)
        if isinstance(value, dict):
            if set(value) & {"Ref", "Fn::Sub"}:
                return "?"
            return {name[0].lower() + name[1:]: lowered(one) for name, one in value.items()}
        return [lowered(one) for one in value] if isinstance(value, list) else value

    wanted = lowered(template["TaskDefinition"]["Properties"]["ContainerDefinitions"][0])
    wanted.update(image="I", environment=[], secrets=[{"name": "TASKWATCH_API_TOKEN", "valueFrom": "A"}])
    wanted["portMappings"][0]["hostPort"] = 7717
    wanted["logConfiguration"]["options"].update({"awslogs-group": "L", "awslogs-region": "R"})
    same("container", container, wanted)


{"schemas": schemas, "like": like, "values": values}[sys.argv[1]](*sys.argv[2:])
