"""Runs a command in a terminal of its own: terminal.py ROWS COLUMNS COMMAND…

What is written to stdin is typed, what the command draws comes out of stdout. On stderr, first the command's process id, at the end
its exit code and whether the terminal's settings are as they were.
"""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import threading


def attach(slave):
    # As a login has it; tests that a shell runs in the background inherit an ignored SIGINT.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)


def main():
    rows, columns, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    before = termios.tcgetattr(slave)
    child = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, preexec_fn=lambda: attach(slave))
    print(child.pid, file=sys.stderr, flush=True)
    ended, wake = os.pipe()
    threading.Thread(target=lambda: (child.wait(), os.close(wake)), daemon=True).start()
    sources = [master, ended, 0]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if master in ready:
            os.write(1, os.read(master, 65536))
        elif 0 in ready:
            typed = os.read(0, 65536)
            if typed:
                os.write(master, typed)
            else:
                sources.remove(0)
        elif ended in ready:
            break
    restored = "restored" if termios.tcgetattr(slave) == before else "not restored"
    print(child.returncode, restored, file=sys.stderr, flush=True)


main()
