"""A PostgreSQL of its own for the time that this process lives; its address goes into a file."""
import pathlib
import signal
import sys

import pgserver

server = pgserver.get_server(sys.argv[1], cleanup_mode="stop")
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
pathlib.Path(sys.argv[2]).write_text(server.get_uri().replace("postgresql:", "postgresql+asyncpg:"))
signal.pause()
