"""What a program uses together with those that it started: memory and processor time (Linux; elsewhere nothing)."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from j2k_dev.worker.processes import children_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)


def reset_peaks(process: int) -> None:
    """Make ``peak_bytes`` count from now on (5 in clear_refs)."""
    for member in _family(process):
        with suppress(OSError):
            Path(f"/proc/{member}/clear_refs").write_text("5")


def peak_bytes(process: int) -> int:
    """Return the sum of the peak resident memory of all that are alive, which is no less than they had at once."""
    return sum(int(peak) * 1024 for member in _family(process) for peak in _PEAK.findall(_read(member, "status")))


def cpu_seconds(process: int) -> float:
    """Return the processor time that all of them have used, with their children that have ended."""
    ticks = sum(sum(_ticks(member)) for member in _family(process))
    return ticks / os.sysconf("SC_CLK_TCK")


def _ticks(process: int) -> list[int]:
    """Return utime, stime, cutime and cstime, which come 11 fields after the program's name (proc(5))."""
    return [int(field) for field in _read(process, "stat").rpartition(")")[2].split()[11:15]]


def _family(process: int) -> Iterator[int]:
    yield process
    for child in children_of(process):
        yield from _family(child)


def _read(process: int, name: str) -> str:
    try:
        return Path(f"/proc/{process}/{name}").read_text(errors="replace")
    except OSError:  # it has just ended
        return ""
