"""How things are measured: whole processes, in turns, with every value kept.

What is compared is run A B, B A, A B, …, so that a machine that gets slower or faster meanwhile does so for all; and
compared pair by pair, so that what drifts between repetitions cancels out.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

LONGEST_SECONDS = 300.0


@dataclass(frozen=True)
class Series:
    """What one contender gave for one thing, in order; ``unit`` is s, ms, GB/s, bytes or a ratio (``times``)."""

    contender: str
    what: str
    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)


@dataclass(frozen=True)
class Aim:
    """What was aimed at: ``told`` are the measured numbers, ``takes`` what it would take where they fall short."""

    text: str
    told: str
    met: bool
    takes: str = ""


@dataclass(frozen=True)
class Result:
    """One benchmark's outcome; ``how`` says what was done, for people; ``seconds`` it took altogether."""

    name: str
    title: str
    how: str
    series: tuple[Series, ...]
    aims: tuple[Aim, ...]
    seconds: float = 0.0


@dataclass(frozen=True)
class Setting:
    """What every benchmark gets: a folder for its things, the folder of the programs, and how often to repeat."""

    folder: Path
    programs: Path
    quick: bool

    def repetitions(self, usual: int) -> int:
        """Return how often to repeat: ``usual``, or as rarely as shows anything."""
        return min(usual, 2) if self.quick else usual

    def program(self, name: str) -> str:
        """Return the path of an installed program."""
        return str(self.programs / name)

    def fresh(self, name: str) -> Path:
        """Return a new folder."""
        folder = self.folder / name
        folder.mkdir(parents=True)
        return folder


@dataclass(frozen=True)
class Spent:
    """What a process took, its descendants included as far as they were waited for: seconds of wall clock and CPU."""

    wall: float
    cpu: float
    output: str


class WrongResult(Exception):  # noqa: N818 - says what is the case
    """What was to be measured failed, or gave something else than it should: its numbers would mean nothing."""


def run(command: Sequence[str], cwd: Path, env: Mapping[str, str] | None = None) -> Spent:
    """Run a command to its end and measure it; raise WrongResult with its output if it fails."""
    # Not in the command's folder: files beside a notebook are its inputs, and these would change each time.
    with tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=errors,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(env or {})},
        )
        output, status, cpu = _to_the_end(process)
        wall = time.perf_counter() - started
        if status != 0:
            errors.seek(0)
            told = output[-2000:] + errors.read().decode(errors="replace")[-4000:]
            raise WrongResult(f"{' '.join(command)} in {cwd} ended with {status}\n{told}")
    return Spent(wall, cpu, output)


def _to_the_end(process: subprocess.Popen[bytes]) -> tuple[str, int, float]:
    """Return what a process printed, its exit status and its CPU seconds; one that takes too long is killed."""
    assert process.stdout is not None
    watchdog = threading.Timer(LONGEST_SECONDS, process.kill)
    watchdog.start()
    with process.stdout:
        output = process.stdout.read().decode(errors="replace")
    _, status, usage = os.wait4(process.pid, 0)
    watchdog.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    return output, process.returncode, usage.ru_utime + usage.ru_stime


def in_turns(
    contenders: Mapping[str, Callable[[int], Mapping[str, float]]], repetitions: int, units: Mapping[str, str]
) -> tuple[Series, ...]:
    """Call the contenders in turns, the order reversed each time; ``units`` name the things they measure, and how."""
    found: dict[tuple[str, str], list[float]] = {}
    for repetition in range(repetitions):
        names = list(contenders)
        for name in names if repetition % 2 == 0 else reversed(names):
            for what, value in contenders[name](repetition).items():
                found.setdefault((name, what), []).append(value)
    return tuple(
        Series(name, what, unit, tuple(found[name, what]))
        for what, unit in units.items()
        for name in contenders
        if (name, what) in found
    )


def of(series: Sequence[Series], contender: str, what: str) -> Series:
    """Return the one series of a contender."""
    (found,) = [one for one in series if one.contender == contender and one.what == what]
    return found


def ratio(series: Sequence[Series], ours: str, theirs: str, what: str) -> Series:
    """Compare two contenders repetition by repetition."""
    pairs = zip(of(series, ours, what).values, of(series, theirs, what).values, strict=True)
    return Series(f"{ours} : {theirs}", what, "times", tuple(mine / other for mine, other in pairs))
