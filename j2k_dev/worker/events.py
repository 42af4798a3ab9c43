"""What happened to a run: one JSON line per event, appended to a file per worker, and what can be read out of them."""

from __future__ import annotations

import json
import os
import select
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from j2k_dev.model.codec import CodecError, from_plain, to_plain
from j2k_dev.model.run import Attempt

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True)
class Event:
    """One thing that happened; ``time`` in seconds since the epoch, ``attempt`` 0 where it belongs to none.

    In order: ``ready`` (a process waits, prepared), ``taken``, ``started``, then what the stage itself reports
    (``restored``, ``cell-started`` and ``cell-finished`` with the ``cell``, …), ``ended`` with ``outcome`` and ``how``,
    ``retried`` or ``dead-letter``, ``forwarded``. ``worker-lost`` names a ``worker`` that died; ``stuck`` is what the
    engine has to give up for, as ``message`` and ``way_out``.
    """

    time: float
    worker: str
    run: str
    stage: str
    attempt: int
    event: str
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Loss:
    """How an attempt came to nothing: what it was ``doing`` and ``how`` its process ended."""

    attempt: int
    doing: str
    how: str


class History:
    """Appends the events of one worker; nobody else writes this file.

    A full disk costs events and nothing else: what counts is published elsewhere, and fails there by name.
    """

    def __init__(self, folder: Path, worker: str) -> None:
        self._path = folder / f"{worker}.jsonl"
        self.descriptor = -1

    def append(self, event: Event) -> None:
        """Append one event in a single write, so that a kill tears no other line than the last."""
        with suppress(OSError):
            if self.descriptor < 0:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self.descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            os.write(self.descriptor, encode(event))

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):
            os.close(self.descriptor)


def tell(descriptor: int, event: Event) -> None:
    """Write an event to a pipe that several processes share; one that has no reader any more is no failure here."""
    line = encode(event)
    if len(line) > select.PIPE_BUF:  # longer writes could be mixed with others'; the history has all of it
        line = encode(replace(event, detail={}))
    with suppress(BrokenPipeError):
        os.write(descriptor, line)


def encode(event: Event) -> bytes:
    """Turn an event into its line."""
    return json.dumps(to_plain(event)).encode() + b"\n"


def decode(line: bytes) -> Event | None:
    """Turn a line into its event; None for a torn one."""
    try:
        return from_plain(Event, json.loads(line))
    except (json.JSONDecodeError, UnicodeDecodeError, CodecError):
        return None


def read_events(folder: Path) -> tuple[Event, ...]:
    """Read all histories in a folder, in order of time; what a kill tore is left out."""
    lines = (line for path in sorted(folder.glob("*.jsonl")) for line in path.read_bytes().splitlines())
    events = (decode(line) for line in lines)
    return tuple(sorted((event for event in events if event is not None), key=lambda event: event.time))


def attempts_of(events: Iterable[Event], stage: str) -> tuple[Attempt, ...]:
    """Tell the attempts of a stage, for timelines; one without an end was lost unless it is the last."""
    story = [event for event in events if event.stage == stage]
    numbers = sorted({event.attempt for event in story if event.attempt})
    return tuple(_attempt(number, story, last=number == numbers[-1]) for number in numbers)


def losses_of(events: Iterable[Event], stage: str) -> tuple[Loss, ...]:
    """Tell which attempts of a stage lost their process, and what is known about it."""
    story = tuple(event for event in events if event.stage == stage)
    return tuple(_loss(attempt, story) for attempt in attempts_of(story, stage) if attempt.outcome == "lost")


def doing(events: Iterable[Event]) -> str:
    """Say what an attempt was doing when its last event came."""
    words = "while starting"
    for event in events:
        cell = event.detail.get("cell")
        if event.event == "started":
            words = "while restoring the state"
        elif event.event == "restored":
            words = "before its first cell"
        elif event.event == "cell-started":
            words = f"while running cell {cell}"
        elif event.event == "cell-finished":
            words = f"after cell {cell}"
    return words


def now(worker: str, run: str, stage: str, attempt: int, event: str, detail: dict[str, Any] | None = None) -> Event:
    """Make an event of this moment."""
    return Event(time.time(), worker, run, stage, attempt, event, detail or {})


def _attempt(number: int, story: list[Event], *, last: bool) -> Attempt:
    own = [event for event in story if event.attempt == number]
    end = _end(own, story)
    if end is None:
        return Attempt(number, own[0].time, own[-1].time, "running" if last else "lost")
    outcome = end.detail.get("outcome", "lost")
    return Attempt(number, own[0].time, end.time, outcome, str(end.detail.get("how", "")))


def _end(own: list[Event], story: list[Event]) -> Event | None:
    ends = [event for event in own if event.event == "ended"]
    ends += [event for event in story if event.event == "worker-lost" and event.detail.get("worker") == own[0].worker]
    return ends[0] if ends else None


def _loss(attempt: Attempt, story: tuple[Event, ...]) -> Loss:
    own = [event for event in story if event.attempt == attempt.number]
    return Loss(attempt.number, doing(own), attempt.detail or "its worker was lost")
