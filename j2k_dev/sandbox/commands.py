"""Running other programs: one place that starts them, keeps what they said, and words their failures."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from j2k_dev.model.errors import MachineryFailed

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping, Sequence

_SHOWN_LINES = 15
_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Command:
    """A program to run. ``environment`` is added to ours; ``log`` keeps its output, else it is returned only.

    ``descriptors`` are open files that it inherits: a lock that it, and what it starts, hold until they end.
    Once ``stop`` is set, it and all that it started is ended: for a thread, which hears of no Ctrl-C; without
    ``stdin`` and ``timeout``.
    """

    arguments: Sequence[str | Path]
    folder: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    stdin: bytes | None = None
    log: Path | None = None
    timeout: float | None = None
    descriptors: tuple[int, ...] = ()
    stop: threading.Event | None = None

    def __str__(self) -> str:
        """Write it so that it can be pasted into a shell."""
        settings = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        words = " ".join([*settings, shlex.join(map(str, self.arguments))])
        return f"cd {shlex.quote(str(self.folder))} && {words}" if self.folder else words


class Runner(Protocol):
    """Runs commands; tests without Docker bring their own."""

    def run(self, command: Command, way_out: str = "") -> str:
        """Run a command and return its stdout; raise MachineryFailed with its output and ``way_out`` when it fails."""


class SystemRunner:
    """Runs commands on this machine."""

    def run(self, command: Command, way_out: str = "") -> str:
        """Run a command and return its stdout; raise MachineryFailed with its output and ``way_out`` when it fails."""
        program = str(command.arguments[0])
        try:
            code, stdout, stderr = _run(command)
        except FileNotFoundError as error:
            raise MachineryFailed(f"{program} is not installed", way_out or f"install {program}") from error
        except subprocess.TimeoutExpired as error:
            told = f"{program} did not end within {command.timeout:g} seconds"
            raise MachineryFailed(told, way_out, detail=f"$ {command}") from error
        if command.log is not None:
            _keep(command.log, f"$ {command}\n{stdout}{stderr}\n")
        if code:
            raise MachineryFailed(_told(program, code), way_out, detail=_detail(command, stdout + stderr))
        return stdout


def _run(command: Command) -> tuple[int, str, str]:
    """Run it to its end; return its exit status, stdout and stderr. Whoever interrupts us ends it too."""
    process = subprocess.Popen(
        [str(argument) for argument in command.arguments],
        cwd=command.folder,
        env={**os.environ, **command.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=command.descriptors,
        process_group=None if command.stop is None else 0,
    )
    with process:
        try:
            stdout, stderr = _wait(process, command) if command.stop is None else _wait_or_stop(process, command.stop)
        except BaseException:
            _end(process, command)
            raise
    return process.returncode, stdout.decode(errors="replace"), stderr.decode(errors="replace")


def _wait(process: subprocess.Popen[bytes], command: Command) -> tuple[bytes, bytes]:
    return process.communicate(command.stdin, timeout=command.timeout)


def _wait_or_stop(process: subprocess.Popen[bytes], stop: threading.Event) -> tuple[bytes, bytes]:
    while not stop.is_set():
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=_LOOK_SECONDS)
    raise MachineryFailed("stopped", "run the same command again")


def _end(process: subprocess.Popen[bytes], command: Command) -> None:
    if command.stop is None:
        process.kill()
    else:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _told(program: str, code: int) -> str:
    how = f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
    return f"{Path(program).name} {how}"


def _detail(command: Command, output: str) -> str:
    last = "\n".join(output.strip().splitlines()[-_SHOWN_LINES:])
    where = f"\n(all of it: {command.log})" if command.log else ""
    return f"$ {command}\n{last}{where}"


def _keep(log: Path, text: str) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as stream:
        stream.write(text)
