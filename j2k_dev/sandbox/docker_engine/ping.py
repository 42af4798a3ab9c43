"""Whether a Docker engine answers, asked in milliseconds: Docker's own library takes longer to import."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from pathlib import Path

DEFAULT_ADDRESS = "unix:///var/run/docker.sock"
_UNIX = "unix://"
_PING = b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n"
_SECONDS = 3.0


def answers_at() -> str:
    """Return the address of the engine that the docker command would use, or nothing where none answers."""
    where = _address()
    if not where.startswith(_UNIX):
        from j2k_dev.sandbox.docker_engine import engine  # noqa: PLC0415 - takes its time, and is seldom needed

        return engine.address() if engine.answers() else ""
    return where if _pong(where.removeprefix(_UNIX)) else ""


def _address() -> str:
    """Name the address; nothing where only Docker's own library can tell."""
    if chosen := os.environ.get("DOCKER_HOST"):
        return chosen
    return "" if _has_contexts() else DEFAULT_ADDRESS


def _has_contexts() -> bool:
    if os.environ.get("DOCKER_CONTEXT"):
        return True
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    with contextlib.suppress(OSError, ValueError):
        settings = json.loads((folder / "config.json").read_bytes())
        return bool(settings.get("currentContext", "default") != "default")
    return False


def _pong(path: str) -> bool:
    with contextlib.suppress(OSError), contextlib.closing(socket.socket(socket.AF_UNIX)) as door:
        door.settimeout(_SECONDS)
        door.connect(path)
        door.sendall(_PING)
        return b" 200 " in door.recv(64)
    return False
