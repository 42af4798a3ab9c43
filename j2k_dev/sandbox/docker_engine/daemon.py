"""A Docker daemon of our own: started by itself, known again by its arguments, and the only one that is ever stopped.

Its pid file names it: whoever carries ``--pidfile=<our file>`` among its arguments is it, whatever was killed when and
whatever a file from before the last boot says.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from j2k_dev.engine.workspace import write_text
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.sandbox.commands import Command
from j2k_dev.sandbox.data import data_folder
from j2k_dev.sandbox.docker_engine.engine import DEFAULT_ADDRESS, answers
from j2k_dev.sandbox.docker_engine.machine import find_program, lacks_capabilities, search_path

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNIX = "unix://"
_START_SECONDS = 90.0
_STOP_SECONDS = 60.0
_POLL_SECONDS = 0.1
_SHOWN_LINES = 15


@dataclass(frozen=True)
class Daemon:
    """Where a daemon keeps its things: ``folder`` is ours, ``data_root`` holds images (Docker's default if None)."""

    folder: Path
    address: str = DEFAULT_ADDRESS
    data_root: Path | None = None

    @property
    def pid_file(self) -> Path:
        """The file that the daemon writes its number to, and is known by."""
        return self.folder / "dockerd.pid"

    @property
    def log(self) -> Path:
        """What the daemon says."""
        return self.folder / "dockerd.log"

    @property
    def lock_file(self) -> Path:
        """The file whose lock says who is starting or stopping it."""
        return self.folder / "lock"

    @property
    def runtime(self) -> Path:
        """The OCI runtime that leaves out the capabilities that can't be had."""
        return self.folder / "runc-bounded"

    @property
    def exec_root(self) -> Path:
        """Where the daemon keeps what lives as long as it runs."""
        if self.address == DEFAULT_ADDRESS:
            return Path("/var/run/docker")
        return Path(f"{self.address.removeprefix(_UNIX)}.run")

    def arguments(self, *, bounded: bool) -> tuple[str, ...]:
        """Return the daemon's arguments, with our runtime where it is ``bounded``.

        Defaults are left out: where /etc/docker/daemon.json sets them too, the daemon refuses to start.
        """
        words = [f"--pidfile={self.pid_file}"]
        if self.address != DEFAULT_ADDRESS:
            words += [f"--host={self.address}", f"--exec-root={self.exec_root}"]
        if self.data_root is not None:
            words.append(f"--data-root={self.data_root}")
        if bounded:
            words += [f"--add-runtime=bounded={self.runtime}", "--default-runtime=bounded"]
        return tuple(words)


def can_serve(address: str) -> bool:
    """Say whether a daemon could be started at an address."""
    return address.startswith(f"{_UNIX}/")


def find(daemon: Daemon) -> int | None:
    """Return the number of our daemon's process, or None where it does not run."""
    wanted = f"--pidfile={daemon.pid_file}"
    return next((pid for pid, arguments in _processes() if wanted in arguments), None)


def start(daemon: Daemon) -> int:
    """Start the daemon where it does not run, and wait until it answers; return its process number."""
    daemon.folder.mkdir(parents=True, exist_ok=True)
    bounded = lacks_capabilities()
    if bounded:
        _place_runtime(daemon.runtime)
    # One that was started by a command that was killed may be on its way.
    pid = find(daemon) or _spawn(daemon, bounded=bounded)
    _await_answer(daemon, pid)
    return pid


def stop(daemon: Daemon) -> int | None:
    """Stop our daemon, with its containers, and wait for its end; return its number, or None where it did not run."""
    pid = find(daemon)
    if pid is None:
        return None
    with _handle(pid) as handle:
        # The number might have changed hands before the handle was there.
        if find(daemon) == pid:
            signal.pidfd_send_signal(handle, signal.SIGTERM)
            _await_end(daemon, pid, handle)
    return pid


def _spawn(daemon: Daemon, *, bounded: bool) -> int:
    program = find_program("dockerd")
    if program is None:
        raise MachineryFailed("dockerd is not installed", "apt-get install docker.io")
    _forget_dead(daemon)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Containers get the limit on open files that the daemon had.
    words = ["prlimit", f"--nofile={most}:{most}", str(program), *daemon.arguments(bounded=bounded)]
    with daemon.log.open("ab") as log:
        log.write(f"\n$ {Command(words)}\n".encode())
        log.flush()
        process = subprocess.Popen(
            words,
            cwd="/",
            env={**os.environ, "PATH": search_path()},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    # It is to outlive us: Python need not complain about that.
    process.returncode = 0
    return process.pid


def _forget_dead(daemon: Daemon) -> None:
    """Remove the numbers of processes that are no more: where somebody else has one now, the daemon would not start.

    Its containerd writes one too, and the daemon believes any process of that number to be it.
    """
    daemon.pid_file.unlink(missing_ok=True)
    folder = daemon.exec_root / "containerd"
    if not any(str(folder) in argument for _pid, arguments in _processes() for argument in arguments):
        (folder / "containerd.pid").unlink(missing_ok=True)


def _await_answer(daemon: Daemon, pid: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    with _handle(pid) as handle:
        while not answers():
            if _ended(handle, _POLL_SECONDS):
                told = "dockerd ended right after its start"
                raise MachineryFailed(told, f"see {daemon.log}", _last_lines(daemon.log))
            if time.monotonic() > deadline:
                told = f"dockerd (process {pid}) does not answer at {daemon.address} after {_START_SECONDS:g} seconds"
                raise MachineryFailed(told, f"j2k sandbox engine --stop; see {daemon.log}", _last_lines(daemon.log))


def _await_end(daemon: Daemon, pid: int, handle: int) -> None:
    if not _ended(handle, _STOP_SECONDS):
        told = f"dockerd (process {pid}) has not ended {_STOP_SECONDS:g} seconds after SIGTERM"
        raise MachineryFailed(told, f"wait, or: kill -9 {pid}; see {daemon.log}", _last_lines(daemon.log))


@contextlib.contextmanager
def _handle(pid: int) -> Iterator[int]:
    """Hold on to a process: its number may change hands, this can't."""
    handle = os.pidfd_open(pid)
    try:
        yield handle
    finally:
        os.close(handle)


def _ended(handle: int, seconds: float) -> bool:
    """Wait so long for the end of a process at most."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _place_runtime(runtime: Path) -> None:
    """Put the runtime where the daemon finds it; an interpreter outside any environment runs it: those come and go."""
    script = runtime.with_suffix(".py")
    write_text(script, (data_folder() / "engine" / script.name).read_text(encoding="utf-8"))
    words = [str(Path(sys.executable).resolve()), "-IS", str(script)]
    write_text(runtime, f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    runtime.chmod(0o755)


def _processes() -> Iterator[tuple[int, list[str]]]:
    """Give number and arguments of every process of our own pid namespace: containers may run daemons like ours."""
    ours = Path("/proc/self/ns/pid").stat().st_ino
    for entry in Path("/proc").glob("[0-9]*"):
        # Processes end while we look, and those of others may be closed to us.
        with contextlib.suppress(OSError):
            arguments = (entry / "cmdline").read_bytes()
            if arguments and (entry / "ns" / "pid").stat().st_ino == ours:
                yield int(entry.name), os.fsdecode(arguments).split("\0")


def _last_lines(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()
    return "\n".join(lines[-_SHOWN_LINES:])
