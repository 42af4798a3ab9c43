"""Runs the recorder in the notebook's own interpreter and listens to it, cell by cell."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from j2k_dev.engine.workspace import write_json
from j2k_dev.model.codec import from_plain, to_plain
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.model.recording import Boundary, CellError, CellRecord, InputScope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from j2k_dev.engine.interpreter import Launcher
    from j2k_dev.recording.spec import RecorderSpec

MODULE = "j2k_dev.recording.recorder"
PROCESS_ENDED = "ProcessEnded"
_LOG_TAIL = 4000


@dataclass(frozen=True)
class Recorded:
    """What the recorder told; ``error`` is set where the notebook raised or ended its own process."""

    cells: tuple[CellRecord, ...]
    boundaries: tuple[Boundary, ...]
    changes: tuple[str, ...]
    files: str | None
    error: CellError | None
    scope: InputScope


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
    """Record in a process of its own; ``timeout`` is seconds per cell."""
    write_json(folder / "spec.json", to_plain(spec))
    ours, theirs = os.pipe()
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, ours)
        log = stack.enter_context((folder / "recorder.log").open("wb"))
        command = launcher.argv(MODULE, str(folder / "spec.json"), str(theirs))
        environment = launcher.env()
        if tracing is not None:
            command, environment = tracing.wrap(command), {**environment, **tracing.environment}
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, cwd=spec.work,
            pass_fds=[theirs], start_new_session=True,
        )  # fmt: skip
        stack.callback(_end, process)
        os.close(theirs)
        told = _Told(on_event, timeout)
        for line in _lines(process, ours, told):
            told.take(json.loads(line))
        process.wait()
    return told.recorded(process.returncode, folder / "recorder.log")


def was_killed(recorded: Recorded) -> bool:
    """Tell whether the recorder was killed, which need not be the notebook's doing."""
    error = recorded.error
    return error is not None and error.ename == PROCESS_ENDED and "killed by" in error.evalue


class _Told:
    """What the recorder has told so far."""

    def __init__(self, on_event: Callable[[str, int, float], None], timeout: float | None) -> None:
        self._on_event = on_event
        self._timeout = timeout
        self._cells: list[CellRecord] = []
        self._boundaries: list[Boundary] = []
        self._running: int | None = None
        self._measuring: int | None = None
        self._deadline: float | None = None
        self._end: dict[str, Any] | None = None

    def take(self, event: dict[str, Any]) -> None:
        """Take one event in."""
        kind = event["event"]
        if kind == "cell-started":
            self._running = event["cell"]
            self._deadline = time.monotonic() + self._timeout if self._timeout else None
            self._on_event("cell-started", event["cell"], 0.0)
        elif kind == "cell-finished":
            self._running, self._measuring, self._deadline = None, event["cell"], None
            self._on_event("cell-finished", event["cell"], event["seconds"])
        elif kind == "cell":
            self._measuring = None
            self._cells.append(from_plain(CellRecord, event["record"]))
            self._boundaries.append(from_plain(Boundary, event["boundary"]))
        else:
            self._end = event

    def seconds_left(self) -> float | None:
        """Return the seconds that the running cell still has; raise MachineryFailed where it has none."""
        if self._deadline is None:
            return None
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise MachineryFailed(
                f"cell {self._running} ran longer than {self._timeout:g} s (--timeout)",
                "give it more time with --timeout SECONDS, or mend the cell; what ran before it is in the recording",
            )
        return left

    def recorded(self, returncode: int, log: Path) -> Recorded:
        """Return what was recorded, whole or up to the cell that ended it."""
        if self._end is not None:
            final = {int(index): outputs for index, outputs in self._end["outputs"].items()}
            cells = tuple(_with_outputs(cell, final) for cell in self._cells)
            error = from_plain(CellError, self._end["error"]) if self._end["error"] else None
            scope = from_plain(InputScope, self._end["scope"])
            changed = tuple(self._end["changes"])
            return Recorded(cells, tuple(self._boundaries), changed, self._end["files"], error, scope)
        if self._running is None:
            text = log.read_text(errors="replace")[-_LOG_TAIL:]
            where = "before the first cell" if self._measuring is None else f"after cell {self._measuring}"
            raise MachineryFailed(f"the recorder ended {where} ({_ending(returncode)})", f"see {log}", text)
        ended = CellError(self._running, PROCESS_ENDED, f"the cell ended its own process: {_ending(returncode)}", ())
        return Recorded(tuple(self._cells), tuple(self._boundaries), (), None, ended, InputScope())


def _with_outputs(cell: CellRecord, final: dict[int, list[dict[str, Any]]]) -> CellRecord:
    """Take the outputs as they are at the end: a later cell may have updated a display."""
    plain = to_plain(cell)
    return from_plain(CellRecord, {**plain, "outputs": final.get(cell.index, plain["outputs"])})


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


def _ending(returncode: int) -> str:
    if returncode < 0:
        return f"killed by {signal.Signals(-returncode).name}"
    return f"exit status {returncode}"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the recorder and all that its cells started in its session."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
