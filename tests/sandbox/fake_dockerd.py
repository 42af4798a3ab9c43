"""A program that looks like dockerd from outside: it writes its number, answers on its socket, ends on SIGTERM.

FAKE_API: the version of the API that it speaks; FAKE_DELAY: seconds from its start to its first answer; FAKE_ERROR: it
says this and ends at once.
"""

import json
import os
import signal
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

API = os.environ.get("FAKE_API", "1.41")
INFO = {
    "ServerVersion": "20.10.24",
    "ApiVersion": API,
    "CgroupVersion": "2",
    "CgroupDriver": "systemd",
    "Driver": "overlay2",
    "DockerRootDir": "/var/lib/docker",
    "SecurityOptions": ["name=seccomp,profile=default", "name=rootless"],
    "OperatingSystem": "Debian GNU/Linux 12 (bookworm)",
    "Architecture": "x86_64",
    "NCPU": 2,
    "MemTotal": 8_000_000_000,
}


class Api(BaseHTTPRequestHandler):
    """Answers every question with all that it knows."""

    def do_GET(self) -> None:
        body = json.dumps(INFO).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "a client"

    def log_message(self, *_arguments: Any) -> None:
        pass


def main() -> None:
    """Run until SIGTERM."""
    if problem := os.environ.get("FAKE_ERROR"):
        sys.exit(problem)
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    options = dict(word.split("=", 1) for word in sys.argv[1:])
    Path(options["--pidfile"]).write_text(str(os.getpid()))
    threading.Event().wait(float(os.environ.get("FAKE_DELAY", "0")))
    socket = Path(options["--host"].removeprefix("unix://"))
    socket.unlink(missing_ok=True)
    with socketserver.ThreadingUnixStreamServer(str(socket), Api) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
