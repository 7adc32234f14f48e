"""What a launcher takes of the machine: processor and memory of its processes and of all that they start (Linux)."""
import os
import pathlib
import threading

TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    """Parent and processor seconds, those of children that ended included; none if it is gone."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return int(fields[1]), sum(map(int, fields[11:15])) / TICK


def _memory(pid):
    """Proportional share of resident memory in MB: pages that processes share are counted once."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def tree(roots):
    """The processes and all below them, with their processor seconds."""
    stats = {int(name): stat for name in os.listdir("/proc") if name.isdigit() and (stat := _stat(name))}
    found, grew = {pid for pid in roots if pid in stats}, True
    while grew:
        below = {pid for pid, (parent, _) in stats.items() if parent in found} - found
        found |= below
        grew = bool(below)
    return {pid: stats[pid][1] for pid in found}


class Meter(threading.Thread):
    """Samples until it is stopped. `processor`: seconds in all, less those used before; `memory`: MB at most."""

    def __init__(self, roots, before):
        super().__init__(daemon=True)
        self.roots, self.before, self.processor, self.memory = list(roots), before, 0.0, 0.0
        self._over = threading.Event()

    def run(self):
        turn = 0
        while not self._over.is_set():
            self.sample(turn % 8 == 0)
            turn += 1
            self._over.wait(0.25)

    def sample(self, memory=True):
        found = tree(self.roots)
        self.processor = max(self.processor, sum(found.values()) - self.before)
        if memory:
            self.memory = max(self.memory, sum(map(_memory, found)))

    def stop(self):
        self.sample()
        self._over.set()
        self.join()
