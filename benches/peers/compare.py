"""Puts the fleet through launchers, one after the other or some beside each other, and yields each one's figures."""
import concurrent.futures
import json
import os
import pathlib
import platform
import statistics
import subprocess
import tempfile
import time

import judge
import launchers
import mix
import venvs
from lab import Lab
from launchers.base import CannotRun
from usage import Meter

NAMES = [launcher.name for launcher in launchers.ALL]


def run(o, quotas):
    """Name and figures of each launcher that was asked for."""
    chosen = [launcher for launcher in launchers.ALL if not o.only or launcher.name in o.only]
    with concurrent.futures.ThreadPoolExecutor(o.at_once) as pool:
        working = {pool.submit(median, o, quotas, launcher): launcher for launcher in chosen}
        for done in concurrent.futures.as_completed(working):
            yield working[done].name, done.result()


def median(o, quotas, launcher):
    """The figures, each the median of as many fleets as were asked for, with a seed each; or why it cannot be measured here."""
    seeds = [o.seed + n for n in range(o.times)]
    described = {"title": launcher.title, "settings": launcher.settings, "runs": o.runs, "times": o.times, "seeds": seeds, "measured": measured(o.binary)}
    try:
        if launcher.requirements:
            venvs.python(launcher.requirements)
        all_figures = [once(o, quotas, launcher, seed) for seed in seeds]
    except (CannotRun, venvs.NoVenv, OSError) as why:
        print(f"{launcher.name}: cannot be measured here: {why}", flush=True)
        return {**described, "cannot": str(why)}
    fleets = [{"seed": seed, **figures} for seed, figures in zip(seeds, all_figures)]
    return {**described, **judge.medians(all_figures), "fleets": fleets}


def measured(binary):
    """With what, and where: figures of one machine are not those of another."""
    version = subprocess.run([str(binary), "--version"], capture_output=True, text=True, check=True).stdout.strip()
    described = subprocess.run(["git", "-C", str(pathlib.Path(__file__).parent), "describe", "--always", "--dirty"], capture_output=True, text=True)
    models = [line.partition(":")[2].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    host = {"processors": os.cpu_count(), "model": models[0] if models else platform.machine(), "kernel": platform.release()}
    return {"taskwatch": version, "checkout": described.stdout.strip() or None, "host": host}


def once(o, quotas, launcher, seed):
    home = pathlib.Path(tempfile.mkdtemp(prefix=f"peers-{launcher.name}-")) / "lab"
    with Lab(o.binary.resolve(), home, o.runs, seed, quotas) as lab:
        before, lab.began = lab.calls(), time.time()
        lab.own.clear()
        processes = launcher.start(lab)
        meter = Meter([process.pid for process in processes], lab.used_before)
        meter.start()
        load, seen = wait(lab, processes, o.patience)
        meter.stop()
        ledger, calls = lab.ledger(), lab.calls()
        # ECS forgets a task an hour after its end: some fleets take longer.
        ledger["tasks"] = list((seen | by_arn(ledger)).values())
        (home / "ledger.json").write_text(json.dumps(ledger))
        figures = judge.judge(o.runs, ledger["tasks"], lab.outcomes(), mix.launch_rate(quotas), lab.began)
        figures |= judge.calls_of(o.runs, before, calls, lab.own, ledger["counters"]["throttled"])
    figures |= {"processor": meter.processor / o.runs * 1000, "memory": meter.memory, "load": load}
    print(f"{launcher.name}: {figures['reached']} of {o.runs} reached, logs in {home}", flush=True)
    return figures


def wait(lab, processes, patience):
    """Until every item is told of, the launcher has ended, or nothing new has come for so long. Gives the machine's load on the way, and the
    tasks that were seen, as they were last."""
    news, since, loads, seen = None, time.time(), [], {}
    while time.time() - since < patience:
        ledger, outcomes = lab.ledger(), lab.outcomes()
        seen |= by_arn(ledger)
        loads.append(os.getloadavg()[0])
        if len({outcome["item"] for outcome in outcomes}) >= lab.runs or all(map(ended, processes)):
            break
        now = (len(outcomes), [(task["arn"], task["version"]) for task in ledger["tasks"]])
        if now != news:
            news, since = now, time.time()
        time.sleep(2)
    return round(statistics.mean(loads), 1), seen


def by_arn(ledger):
    return {task["arn"]: task for task in ledger["tasks"]}


def ended(process):
    """Without reaping it: its processor time is still to be read."""
    try:
        return pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True
