"""Runs the recorder in the notebook's own interpreter and listens to it, cell by cell."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from j2k_dev.engine import guard
from j2k_dev.engine.workspace import write_json
from j2k_dev.model.codec import from_plain, to_plain
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.model.recording import PROCESS_ENDED, Boundary, CellError, CellRecord, InputScope
from j2k_dev.worker import processes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from j2k_dev.engine.interpreter import Launcher
    from j2k_dev.recording.spec import RecorderSpec

_LOG_TAIL = 4000
_STOP_SECONDS = 10.0
_GB = 1_000_000_000
_ALONE_SECONDS = 20.0
_LOCK_POLL_SECONDS = 0.01


@dataclass(frozen=True)
class Recorded:
    """What the recorder told; ``error`` is set where the notebook raised or ended its own process.

    ``failure`` is why the rest is missing where that is not the notebook's doing. ``killed``: by somebody's SIGKILL,
    which may come again or not.
    """

    cells: tuple[CellRecord, ...]
    boundaries: tuple[Boundary, ...]
    changes: tuple[str, ...] = ()
    files: str | None = None
    error: CellError | None = None
    scope: InputScope = field(default_factory=InputScope)
    failure: MachineryFailed | None = None
    killed: bool = False


@dataclass(frozen=True)
class Tracing:
    """A tracer around the recorder: how its command becomes a traced one, and what the environment needs then."""

    wrap: Callable[[list[str]], list[str]]
    environment: Mapping[str, str]


def run_recorder(
    launcher: Launcher,
    spec: RecorderSpec,
    folder: Path,
    on_event: Callable[[str, int, float], None],
    timeout: float | None = None,
    tracing: Tracing | None = None,
) -> Recorded:
    """Record in a process of its own, which nothing outlives; ``timeout`` is seconds per cell."""
    write_json(folder / "spec.json", to_plain(spec))
    told, log = _Told(on_event, timeout), folder / "recorder.log"
    with contextlib.ExitStack() as stack:
        lock = stack.enter_context(_alone(Path(spec.exchange) / "workers.lock"))
        ours, theirs = os.pipe()
        stack.callback(os.close, ours)
        command, environment = launcher.argv(launcher.recorder, str(folder / "spec.json"), str(theirs)), launcher.env()
        if tracing is not None:
            command, environment = tracing.wrap(command), {**environment, **tracing.environment}
        output = stack.enter_context(log.open("wb"))
        process = subprocess.Popen(
            guard.command(), stdin=subprocess.PIPE, stdout=output, stderr=output, cwd=spec.work,
            pass_fds=[theirs, lock], start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        stack.callback(_end, process, told)
        _order(process, guard.order(command, environment, theirs, lock))
        with contextlib.suppress(CellTimedOut):
            for line in _lines(process, ours, told):
                told.take(line)
    return told.recorded(log)


class CellTimedOut(MachineryFailed):
    """A cell ran longer than it may."""


class _Told:
    """What the recorder has told so far, and its guard."""

    def __init__(self, on_event: Callable[[str, int, float], None], timeout: float | None) -> None:
        self._on_event = on_event
        self._timeout = timeout
        self._cells: list[CellRecord] = []
        self._boundaries: list[Boundary] = []
        self._running: int | None = None
        self._finished: int | None = None
        self._deadline: float | None = None
        self._end: dict[str, Any] | None = None
        self._timed_out: CellTimedOut | None = None
        self._failed: MachineryFailed | None = None
        self._code = -signal.SIGKILL  # unless the guard says otherwise: it was killed itself
        self._peak_bytes = 0
        self.process: int | None = None

    def take(self, line: bytes) -> None:
        """Take one event in; a line that a kill tore says nothing."""
        try:
            event = json.loads(line)
        except ValueError:
            return
        kind = event["event"]
        if kind == "cell-started":
            self._running = event["cell"]
            self._deadline = time.monotonic() + self._timeout if self._timeout else None
            self._on_event(kind, event["cell"], 0.0)
        elif kind == "cell-finished":
            self._running = self._deadline = None
            self._finished = event["cell"]
            self._on_event(kind, event["cell"], event["seconds"])
        elif kind == "cell":
            self._cells.append(from_plain(CellRecord, event["record"]))
            self._boundaries.append(from_plain(Boundary, event["boundary"]))
        elif kind == "process":
            self.process = event["process"]
        elif kind == "failed":
            self._failed = MachineryFailed(event["message"], event["way_out"])
        elif kind == "ended":
            self._code, self._peak_bytes = event["code"], event["peak_bytes"]
        else:
            self._end = event

    def seconds_left(self) -> float | None:
        """Return the seconds that the running cell still has; raise CellTimedOut where it has none."""
        if self._deadline is None:
            return None
        left = self._deadline - time.monotonic()
        if left <= 0:
            self._timed_out = CellTimedOut(
                f"cell {self._running} ran longer than {self._timeout:g} s (--timeout)",
                "give it more time with --timeout SECONDS, or mend the cell",
            )
            raise self._timed_out
        return left

    def recorded(self, log: Path) -> Recorded:
        """Return what was recorded, whole or up to what ended it."""
        done = Recorded(tuple(self._cells), tuple(self._boundaries))
        if self._timed_out is not None:
            return replace(done, failure=self._timed_out)
        if self._failed is not None:
            self._failed.detail = _tail(log)
            return replace(done, failure=self._failed)
        if self._end is not None:
            return self._whole(self._end)
        killed = self._code < 0
        if self._running is not None:
            error = CellError(self._running, PROCESS_ENDED, f"the cell's process {self._ending()}", ())
            return replace(done, error=error, killed=killed)
        where = "before the first cell" if self._finished is None else f"after cell {self._finished}"
        failure = MachineryFailed(f"the recorder {self._ending()} {where}", f"see {log}", _tail(log))
        return replace(done, failure=failure, killed=killed)

    def _whole(self, end: dict[str, Any]) -> Recorded:
        final = {int(index): outputs for index, outputs in end["outputs"].items()}
        return Recorded(
            tuple(_with_outputs(cell, final) for cell in self._cells),
            tuple(self._boundaries),
            tuple(end["changes"]),
            end["files"],
            from_plain(CellError, end["error"]) if end["error"] else None,
            from_plain(InputScope, end["scope"]),
        )

    def _ending(self) -> str:
        """Say how the recorder ended, and of what the system kills for, how much it had."""
        if self._code >= 0:
            return f"ended itself with exit status {self._code}"
        told = f"was {processes.how_it_ended(-self._code)}"
        if self._code != -signal.SIGKILL or not self._peak_bytes:
            return told
        used = f"{self._peak_bytes / 1e9:.1f} GB" if self._peak_bytes > _GB else f"{self._peak_bytes / 1e6:.0f} MB"
        return f"{told}, having used up to {used} of memory (the system kills what uses too much)"


def _with_outputs(cell: CellRecord, final: dict[int, list[dict[str, Any]]]) -> CellRecord:
    """Take the outputs as they are at the end: a later cell may have updated a display."""
    plain = to_plain(cell)
    return from_plain(CellRecord, {**plain, "outputs": final.get(cell.index, plain["outputs"])})


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-_LOG_TAIL:]


def _lines(process: subprocess.Popen[bytes], descriptor: int, told: _Told) -> Iterator[bytes]:
    """Give what the recorder writes, line by line, until it ends; programs that it left behind don't count."""
    ended = os.pidfd_open(process.pid) if hasattr(os, "pidfd_open") else None
    waiting: list[bytes] = []  # joined once per line: a cell that prints 100 MB comes in thousands of pieces
    try:
        while True:
            ready = _wait(descriptor, ended, told.seconds_left())
            chunk = os.read(descriptor, 1 << 20) if descriptor in ready else b""
            first, *rest = chunk.split(b"\n")
            waiting.append(first)
            for piece in rest:
                yield b"".join(waiting)
                waiting = [piece]
            if not chunk and (descriptor in ready or process.poll() is not None):
                return
    finally:
        if ended is not None:
            os.close(ended)


def _wait(descriptor: int, ended: int | None, seconds: float | None) -> Sequence[int]:
    watched = [descriptor] if ended is None else [descriptor, ended]
    ready: list[int] = select.select(watched, [], [], seconds)[0]
    return ready


def _order(process: subprocess.Popen[bytes], order: bytes) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it died at once, and its log says why
        process.stdin.write(order)
        process.stdin.flush()


def _end(process: subprocess.Popen[bytes], told: _Told) -> None:
    """Have the guard end the recorder and all that its cells started; if it is gone itself, end what can be found."""
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.returncode and told.process is not None:
        processes.end_group(told.process)


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[int]:
    """Wait until nothing of an earlier command is left in this workspace, and hold the lock that says so."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        deadline = time.monotonic() + _ALONE_SECONDS
        while not _is_free(descriptor):
            if time.monotonic() > deadline:
                way_out = f"end the processes that hold {lock} (`fuser -v {lock}`), then run again"
                raise MachineryFailed("processes of an earlier command are still alive", way_out)
            select.select([], [], [], _LOCK_POLL_SECONDS)
        yield descriptor
    finally:
        os.close(descriptor)


def _is_free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
