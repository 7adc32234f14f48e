"""Starts a command again whenever it ends by itself, as a service manager does: `kept_up.py COMMAND...`."""
import signal
import subprocess
import sys
import time


def end(process):
    """At once if it has ended. Some wait for what they have under way: not longer than whoever ends this process waits for it."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()


def main(command):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    while True:
        process = subprocess.Popen(command)
        try:
            code = process.wait()
        finally:
            end(process)
        print(f"kept_up: ended with {code}, started again", flush=True)
        time.sleep(1)


main(sys.argv[1:])
