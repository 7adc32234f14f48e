"""`taskwatch run`: one command for all items, which follows its tasks by shared DescribeTasks calls."""
import json
import subprocess
import threading
import time

import mix

from .base import Launcher


def listen(lab, process):
    """Each run's end is a line of progress on stderr: `NAME/7: SUCCEEDED …`."""
    for line in process.stderr:
        name, colon, said = line.partition(": ")
        index = name.rpartition("/")[2]
        if colon and index.isdigit() and name.startswith("fleet/"):
            lab.say(int(index), "succeeded" if said.upper().startswith("SUCCEEDED") else "failed", time.time(), said.strip())


def start(lab):
    request = mix.run_task(0)
    request["overrides"]["containerOverrides"][0]["environment"][0]["value"] = "item"
    request["count"] = lab.runs
    whole = {"name": "fleet", "runTask": request, "until": "stopped", "injectEnv": True}
    (lab.home / "fleet.json").write_text(json.dumps(whole))
    lab.begin()
    environment = {**lab.environment, **mix.rates(lab.quotas)}
    command = [str(lab.binary), "run", str(lab.home / "fleet.json")]
    out = open(lab.home / "result.json", "w")
    process = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.PIPE, text=True, cwd=lab.home)
    lab._processes.append(process)
    threading.Thread(target=listen, args=(lab, process), daemon=True).start()
    return [process]


LAUNCHERS = [Launcher("run", "taskwatch run, DescribeTasks", "the defaults; one command for all; with raised quotas the rate and burst of the quota", start)]
