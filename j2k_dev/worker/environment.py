"""Environment variables that are not for the notebook: out of the process, and of what ``/proc`` shows of it."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

_STAT = Path("/proc/self/stat")
# Of the fields after the program's name, which may hold anything: where the environment begins and ends (proc(5)).
_BEGIN, _END = 47, 48


def forget(environment: MutableMapping[str, str], is_ours: Callable[[str], bool]) -> None:
    """Delete variables, and blank what they were in the block that a process begins with and its forks copy."""
    names = [name for name in environment if is_ours(name)]
    for name in names:
        del environment[name]
    with suppress(OSError, ValueError):  # no /proc, no such view
        fields = _STAT.read_text().rpartition(")")[2].split()
        begin, end = int(fields[_BEGIN]), int(fields[_END])
        if begin < end:
            _blank(begin, end, names)


def _blank(begin: int, end: int, names: list[str]) -> None:
    block = (ctypes.c_char * (end - begin)).from_address(begin).raw
    place = 0
    for entry in block.split(b"\0"):
        if entry.partition(b"=")[0].decode(errors="surrogateescape") in names:
            ctypes.memset(begin + place, 0, len(entry))
        place += len(entry) + 1
