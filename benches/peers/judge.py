"""Judges a launcher: what it said, against the endpoint's own record of what the tasks did. Nothing here starts or asks anything."""
import math
import statistics

from mix import item_of

FIGURES = [  # key, heading, how it is shown
    ("reached", "reached its goal", "{:.0f}"),
    ("failed", "failed, though a retry cures it", "{:.0f}"),
    ("lost", "lost: never told", "{:.0f}"),
    ("wrong", "told wrongly", "{:.0f}"),
    ("twice", "ran twice", "{:.0f}"),
    ("p50", "end to knowing p50, s", "{:.1f}"),
    ("p99", "p99, s", "{:.1f}"),
    ("seconds", "until the last is known, s", "{:.0f}"),
    ("quota", "launch quota used", "{:.0%}"),
    ("throttled", "throttled calls", "{:.0f}"),
    ("calls_a_run", "calls a run", "{:.1f}"),
    ("processor", "processor a run, ms", "{:.1f}"),
    ("memory", "memory, MB", "{:.0f}"),
]


def did_its_work(task):
    """Its program ended well, whatever ECS or a launcher says of the task."""
    return task["exitCode"] == 0


def overlap(tasks):
    """Whether two of them ran at the same time."""
    spans = sorted((t["startedMillis"], t["executionStoppedMillis"] or math.inf) for t in tasks if t["startedMillis"])
    return any(later[0] < earlier[1] for earlier, later in zip(spans, spans[1:]))


def percentile(values, share):
    """The smallest value that so large a share of them does not exceed."""
    values = sorted(values)
    return values[max(0, math.ceil(share * len(values)) - 1)] if values else None


def quota_used(tasks_of, rate):
    """Share of the tasks that the quota allows while first attempts were being launched; later there are only retries. The last
    twentieth is left out: a first launch that was refused has no task until it is tried again."""
    first = [min(t["createdMillis"] for t in tasks) for tasks in tasks_of.values() if tasks]
    if not first:
        return 0.0
    begin, end = min(first), percentile(first, 0.95)
    launched = sum(begin <= t["createdMillis"] <= end for tasks in tasks_of.values() for t in tasks)
    per_second, burst = rate
    return launched / (burst + per_second * (end - begin) / 1000)


def first_said(outcomes):
    """What was first said of each item: whoever acts on it has acted."""
    said = {}
    for outcome in sorted(outcomes, key=lambda o: o["at"]):
        said.setdefault(outcome["item"], outcome)
    return said


def judge(runs, tasks, outcomes, rate, began):
    """The figures of one launcher. `tasks`: of the endpoint's ledger; `outcomes`: `{item, outcome, at}` as the caller came to know them."""
    tasks_of = {item: [] for item in range(runs)}
    for task in tasks:
        tasks_of.get(item_of(task["environment"]), []).append(task)
    said = first_said(outcomes)
    figures = dict.fromkeys(["reached", "failed", "lost", "wrong", "twice", "never_launched"], 0)
    waits = []
    for item, its in tasks_of.items():
        done = [task for task in its if did_its_work(task)]
        figures["twice"] += len(done) > 1 or overlap(its)
        figures["never_launched"] += not its
        outcome = said.get(item)
        if outcome is None:
            figures["lost"] += 1
            continue
        good = outcome["outcome"] == "succeeded"
        figures["wrong" if good != bool(done) else "reached" if good else "failed"] += 1
        # Refused before there was a task: it has no end to count from.
        ends = [task["stoppedMillis"] / 1000 for task in its if task["stoppedMillis"]]
        if ends:
            waits.append(outcome["at"] - max(ends))
    figures |= {"p50": percentile(waits, 0.5), "p99": percentile(waits, 0.99), "quota": quota_used(tasks_of, rate)}
    figures["seconds"] = max((o["at"] for o in said.values()), default=began) - began
    figures["tasks"] = len(tasks)
    return figures


def medians(fleets):
    """Of several fleets' figures: each the median by itself, calls by operation too; an operation that a fleet did not call counts as 0 there."""
    middle = {}
    for key in fleets[0]:
        values = [figures[key] for figures in fleets]
        if all(isinstance(value, dict) for value in values):
            names = sorted({name for value in values for name in value})
            middle[key] = {name: statistics.median(value.get(name, 0) for value in values) for name in names}
        else:
            middle[key] = None if None in values else statistics.median(values)
    return middle


def calls_of(runs, before, after, own, throttled):
    """Calls a run by operation, less those that the bench itself made, and how many a quota refused."""
    calls = {name: count - before.get(name, 0) - own.get(name, 0) for name, count in after.items()}
    calls = {name: count for name, count in sorted(calls.items()) if count > 0}
    return {
        "calls": {name: round(count / runs, 3) for name, count in calls.items()},
        "calls_a_run": sum(calls.values()) / runs,
        "throttled": sum(throttled.values()),
        "throttled_by": throttled,
    }
