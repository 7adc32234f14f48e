#!/usr/bin/env python3
"""A fleet at the full quota, measured from outside: `taskwatch local` with AWS's default Fargate quotas, and a serving cell, each a process of its own.

    cargo build --release --locked
    python3 benches/fleet.py --runs 5000                # once: how much of the quota is used, how much is throttled
    python3 benches/fleet.py --minutes 30               # a soak: does memory stay flat?
    python3 benches/fleet.py --rate 200 --single --runs 6000 --throttled 0.05   # what throttles cost that have nothing to do with the rate
    python3 benches/fleet.py --rate 200 --single --runs 4000 --limit 40         # a quota of 40 a second that nobody told the cell
    python3 benches/fleet.py --rate 500 --burst 1000 --raised --away 10 --runs 30000 --count 500   # quotas that AWS raised, 10 ms away

Needs Python's standard library only. Exit code 1: a run is unaccounted for. Calls and throttles are those of the endpoint.
"""
import argparse, collections, json, os, pathlib, subprocess, sys, tempfile, time, urllib.request

AT_RANDOM = "throttled at random"
RATE, BURST = 20.0, 100.0  # Fargate on demand, tasks launched: a second, and at once (FACTS: Fargate throttling quotas)
FAULTS = """
[task]
seconds = [5, 60]
[[fault]]
do = "image-pull"
probability = 0.02
[[fault]]
do = "eni-timeout"
probability = 0.02
[[fault]]
do = "exit-code"
exit_code = 3
probability = 0.02
[[fault]]
do = "answer-lost"
probability = 0.005
[fault.match]
operation = "RunTask"
[[fault]]
do = "duplicate"
probability = 0.05
[[fault]]
do = "reorder"
probability = 0.02
[[fault]]
do = "drop"
probability = 0.01
"""


def call(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def ready(url, process, log):
    for _ in range(600):
        if process.poll() is not None:
            sys.exit(f"it ended at once: {log.read_text()}")
        try:
            return urllib.request.urlopen(url, timeout=5).read()
        except OSError:
            time.sleep(0.1)
    sys.exit(f"{url} never answered")


def memory(pid):
    """Resident, in MB."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def cpu(pid):
    """Seconds on a processor so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def submit_single(cell, count):
    """Requests of one task each: a RunTask call for every one."""
    run = json.dumps({"runTask": {"taskDefinition": "etl:7", "cluster": "batch", "launchType": "FARGATE",
                                  "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a"]}}}, "until": "stopped"})
    for left in range(count, 0, -1000):
        body = "\n".join([run] * min(left, 1000)).encode()
        request = urllib.request.Request(f"{cell}/v1/runs", body, {"content-type": "application/x-ndjson"})
        urllib.request.urlopen(request, timeout=120).read()


def quotas(o):
    """The endpoint's limits: AWS's usual ones, raised ones, or none."""
    if o.raised:
        calls, both = f"{o.rate:g}/{o.burst:g}", f"{2 * o.rate:g}/{2 * o.burst:g}"
        raised = {"fargate-launch": calls, "fargate-run-task": calls, "cluster-resource-modify": both}
        return [word for name, limit in raised.items() for word in ("--quota", f"{name}={limit}")]
    # Quotas count in the endpoint's own time: scaled, they are larger.
    return ["--time-scale", str(o.limit / RATE)] if o.limit else ["--no-quotas"] if o.rate != RATE else []


def submit(cell, name, count):
    run_task = {"taskDefinition": "etl:7", "cluster": "batch", "launchType": "FARGATE", "count": count,
                "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a"]}}}
    retry = [{"ErrorEquals": ["Taskwatch.Transient"], "IntervalSeconds": 10, "MaxAttempts": 5}]
    call(f"{cell}/v1/runs", {"name": name, "runTask": run_task, "until": "stopped", "retry": retry})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default="target/release/taskwatch")
    parser.add_argument("--runs", type=int, default=5000)
    parser.add_argument("--minutes", type=float, help="a soak of so long, at nine tenths of the quota: the rest is retries")
    parser.add_argument("--rate", type=float, default=RATE, help="tasks a second; another than the quota goes without quotas")
    parser.add_argument("--burst", type=float, default=BURST, help="tasks at once")
    parser.add_argument("--raised", action="store_true", help="the endpoint grants that rate and burst, and no more")
    parser.add_argument("--away", type=int, default=0, help="milliseconds from a call to AWS to its answer")
    parser.add_argument("--count", type=int, help="runs of a request; default: all in one")
    parser.add_argument("--faults", action="store_true", help="with faults also in the fleet; a soak always has them")
    parser.add_argument("--single", action="store_true", help="a request and a RunTask call for each task")
    parser.add_argument("--throttled", type=float, default=0.0, help="share of RunTask calls that are throttled at random")
    parser.add_argument("--limit", type=float, help="tasks a second that are granted, whatever the cell's rate is")
    parser.add_argument("--ports", type=int, default=4610, help="the first of two")
    o = parser.parse_args()
    endpoint, cell = f"http://127.0.0.1:{o.ports}", f"http://127.0.0.1:{o.ports + 1}"
    home = pathlib.Path(tempfile.mkdtemp(prefix="fleet-"))
    (home / "faults.toml").write_text(FAULTS if o.faults or o.minutes else "[task]\nseconds = [5, 60]\n")
    if o.throttled:
        throttle = f'[[fault]]\nname = "{AT_RANDOM}"\ndo = "throttle"\nprobability = {o.throttled}\n[fault.match]\noperation = "RunTask"\n'
        (home / "faults.toml").open("a").write(throttle)
    env = {**os.environ, "AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "test",
           "AWS_SECRET_ACCESS_KEY": "test", "TASKWATCH_LISTEN": cell[7:], "TASKWATCH_STORE": f"file:{home}/store", "TASKWATCH_LOG": "warn"}
    env |= {"TASKWATCH_RUN_TASK_RATE": str(o.rate)} if o.rate != RATE else {}
    env |= {"TASKWATCH_RUN_TASK_BURST": f"{o.burst:g}"} if o.burst != BURST else {}
    binary = str(pathlib.Path(o.binary).resolve())
    local = subprocess.Popen([binary, "local", "--listen", endpoint[7:], "--cluster", "batch", "--seed", "1",
                              *quotas(o), "--latency", str(o.away), "--faults", str(home / "faults.toml")], stdout=subprocess.DEVNULL, stderr=open(home / "local.log", "w"))
    serve = None
    try:
        ready(f"{endpoint}/_taskwatch/tasks", local, home / "local.log")
        made = subprocess.run([binary, "setup", "--cell", "fleet", "--cluster", "batch"], env=env, check=True, capture_output=True, text=True)
        env.update(line.removeprefix("export ").split("=", 1) for line in made.stdout.split("\n") if line.startswith("export "))
        serve = subprocess.Popen([binary, "serve"], env=env, stdout=subprocess.DEVNULL, stderr=open(home / "serve.log", "w"))
        ready(f"{cell}/readyz", serve, home / "serve.log")
        print(f"memory at rest: {memory(serve.pid):.0f} MB; logs in {home}", flush=True)
        measure(o, endpoint, cell, serve.pid)
    finally:
        for process in filter(None, [serve, local]):
            process.terminate()
            process.wait(30)


def measure(o, endpoint, cell, pid):
    began, asked, samples, step = time.time(), 0, [], 30
    used = cpu(pid)
    while True:
        now = time.time() - began
        if not o.minutes and not asked:
            count = o.count or o.runs
            if o.single:
                submit_single(cell, o.runs)
            else:
                for first in range(0, o.runs, count):
                    submit(cell, f"fleet-{first}", min(count, o.runs - first))
            asked = o.runs
        elif o.minutes and now < o.minutes * 60 and asked < 0.9 * o.rate * (now + step):
            count = int(0.9 * o.rate * step)
            submit(cell, f"fleet-{asked}", count)
            asked += count
        summary = call(f"{cell}/v1/summary")
        samples.append((now, memory(pid), summary))
        if int(now) // 60 != int(samples[-2][0] if len(samples) > 1 else -1) // 60:
            statuses = {k: v for k, v in summary["statuses"].items() if v}
            print(f"{now / 60:4.1f} min  {memory(pid):5.0f} MB  {summary['launchesPerSecond']:5.1f} launches/s  {statuses}", flush=True)
        over = not o.minutes or now >= o.minutes * 60
        counters = summary["counters"]
        if over and sum(counters["ended"].values()) >= asked:
            break
        time.sleep(2)
    report(o, endpoint, cell, asked, samples, cpu(pid) - used)


def report(o, endpoint, cell, asked, samples, used):
    ledger = call(f"{endpoint}/_taskwatch/tasks")
    counters, last = ledger["counters"], samples[-1][2]
    calls = counters["calls"].get("RunTask", 0)
    throttled = sum(count for name, count in counters["throttled"].items() if name.startswith("RunTask")) + counters["faults"].get(AT_RANDOM, 0)
    began = samples[0][0]
    print(f"{asked} runs in {samples[-1][0] - began:.0f} s: {last['counters']['ended']}")
    at = sorted(task["createdMillis"] / 1000 for task in ledger["tasks"])
    if not o.minutes and at:
        span = at[-1] - at[0]
        granted = o.limit or o.rate
        print(f"{len(at)} tasks placed within {span:.1f} s: {(len(at) - o.burst) / (granted * span):.1%} of the quota of {granted:.0f} a second (burst {o.burst:.0f})")
    print(f"RunTask: {calls} calls, {throttled} throttled ({throttled / max(calls, 1):.2%}); by the cell's own count {last['counters']['throttles']}")
    minutes = collections.defaultdict(list)
    for when, size, _ in samples:
        minutes[int(when // 60)].append(size)
    middle = {minute: sorted(sizes)[len(sizes) // 2] for minute, sizes in minutes.items()}
    print("memory, median of the minute: " + ", ".join(f"{m}: {middle[m]:.0f}" for m in sorted(middle) if m % 5 == 0) + f" MB; most {max(s for _, s, _ in samples):.0f} MB")
    print(f"processor: {used:.0f} s, {used / max(asked, 1) * 1000:.1f} ms a run")
    print(f"corrections {last['counters'].get('corrections')}, events {last['counters'].get('events')}, event lag p99 {last['eventLag']['p99']:.3f} s")
    ended = sum(last["counters"]["ended"].values())
    if ended != asked or last["outbox"]:
        sys.exit(f"unaccounted for: {asked - ended} runs, {last['outbox']} notifications")
    print("every run is accounted for")


main()
