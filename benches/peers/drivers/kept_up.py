"""Starts a command again whenever it ends by itself, as a service manager does: `kept_up.py COMMAND...`."""
import signal
import subprocess
import sys
import threading
import time


def main(command):
    over = False

    def end(*_):
        nonlocal over
        over = True
        process.terminate()
        # Some wait for what they have under way.
        threading.Timer(10, process.kill).start()

    process = subprocess.Popen(command)
    signal.signal(signal.SIGTERM, end)
    while True:
        code = process.wait()
        if over:
            return
        print(f"kept_up: ended with {code}, started again", flush=True)
        time.sleep(1)
        process = subprocess.Popen(command)


main(sys.argv[1:])
