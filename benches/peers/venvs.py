"""A virtual environment for each launcher, with the pinned releases of its requirements file. Made once, kept in the cache folder."""
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "taskwatch" / "peers"


def wanted(name):
    """What an environment holds; the emulators are those of the tests."""
    if name == "emulators":
        return HERE.parent.parent / "tests" / "requirements.txt"
    return HERE / "requirements" / f"{name}.txt"


class NoVenv(Exception):
    """It could not be made here; the text says why."""


def python(name):
    """Python of the environment of `requirements/NAME.txt`."""
    file = wanted(name)
    version = hashlib.sha256(file.read_bytes() + sys.version.encode()).hexdigest()[:12]
    place = CACHE / f"{name}-{version}"
    if not (place / "complete").exists():
        shutil.rmtree(place, ignore_errors=True)
        _run([sys.executable, "-m", "venv", place])
        _run([place / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", file])
        (place / "complete").touch()
    return place / "bin" / "python"


def _run(command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        raise NoVenv((done.stderr or done.stdout).strip()[-1500:])
