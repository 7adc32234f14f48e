"""The fleet and what goes wrong with it: the same for every launcher.

The fate of a piece of work hangs on the seed and on its name, which stands in its environment (`TASKWATCH_LOCAL_WORK`): whoever launches
`item/17`, in whatever order and with whatever else in the environment, meets the same failures at the same attempts.
"""

CLUSTER, FAMILY, CONTAINER = "batch", "etl", "etl"

# Each attempt may fail by one of these; each is cured by another try.
SCRIPT = """
[task]
seconds = [5, 15]

[[fault]]
name = "no capacity"
do = "capacity"
probability = 0.01

[[fault]]
name = "network interface never comes"
do = "eni-timeout"
probability = 0.01

[[fault]]
name = "image pull times out"
do = "image-pull"
probability = 0.02

[[fault]]
name = "Spot interruption"
do = "spot-interruption"
seconds = [1, 4]
exit_code = 143
probability = 0.05

[[fault]]
name = "event lost"
do = "drop"
probability = 0.01

[[fault]]
name = "event twice"
do = "duplicate"
probability = 0.05
"""

# A second and at once, by the names of `taskwatch local --quota`. Default: what AWS gives an account in a large Region.
QUOTAS = {
    "default": {},
    "raised": {
        "fargate-spot-launch": (100, 200),
        "fargate-run-task": (100, 100),
        "cluster-resource-modify": (200, 200),
        "cluster-resource-read": (100, 200),
    },
}
# The quota that binds: each task has an environment of its own, so each is a RunTask call. Fargate's is lower than its quota of tasks at once.
RUN_TASK_CALLS = "fargate-run-task"
DEFAULT_CALLS = (20, 20)

TASK_DEFINITION = {
    "family": FAMILY, "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "512",
    "executionRoleArn": "arn:aws:iam::123456789012:role/etl",
    "containerDefinitions": [{
        "name": CONTAINER, "image": "etl:1", "essential": True,
        "logConfiguration": {"logDriver": "awslogs", "options": {
            "awslogs-group": "/ecs/etl", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "ecs"}}}],
}


def launch_rate(quotas):
    """Tasks that may be launched by calls of one task each: a second, and at once."""
    return QUOTAS[quotas].get(RUN_TASK_CALLS, DEFAULT_CALLS)


def rates(quotas):
    """The settings that tell taskwatch of raised quotas."""
    if quotas == "default":
        return {}
    rate, burst = QUOTAS[quotas]["fargate-spot-launch"]
    return {"TASKWATCH_RUN_TASK_RATE": str(rate), "TASKWATCH_RUN_TASK_BURST": str(burst)}


def run_task(item):
    """The RunTask request of one item, as boto3 takes it."""
    return {
        "cluster": CLUSTER, "taskDefinition": FAMILY,
        "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}],
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a", "subnet-0b"]}},
        "overrides": {"containerOverrides": [{"name": CONTAINER, "environment": [
            {"name": "TASKWATCH_LOCAL_WORK", "value": f"item/{item}"}]}]},
    }


def item_of(environment):
    """Which item a task worked on, by its environment; none if it was nobody's."""
    told = dict(environment)
    work, index = told.get("TASKWATCH_LOCAL_WORK", ""), told.get("TASKWATCH_ARRAY_INDEX")
    name, _, number = work.partition("/")
    number = index if number == "" else number
    return int(number) if name == "item" and number is not None and number.isdigit() else None
