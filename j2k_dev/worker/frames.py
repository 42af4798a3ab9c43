"""Frames between this machine and a courier: a line of JSON that says how many bytes follow it, then these bytes."""

from __future__ import annotations

import os
import select
import time
from dataclasses import dataclass
from json import dumps, loads
from typing import Any

# What a courier greets with: both sides are of one version of j2k, or they don't talk.
VERSION = 1
_READ = 1 << 20


class LineLost(ConnectionError):  # noqa: N818 - it says what happened; who asked asks again
    """The other end is gone, or silent for too long; nothing is known of what was asked last."""


@dataclass(frozen=True)
class Frame:
    """What one side tells the other."""

    line: dict[str, Any]
    data: bytes = b""


class Frames:
    """One end of a connection, over two descriptors that may be pipes."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading = reading
        self._writing = writing
        self._got = bytearray()
        os.set_blocking(writing, False)

    def write(self, frame: Frame, seconds: float | None = None) -> None:
        """Write a whole frame; raise LineLost if nothing of it could be written for so long."""
        head = dumps({**frame.line, "bytes": len(frame.data)}).encode() + b"\n"
        for part in (head, frame.data):
            left = memoryview(part)
            while left:
                left = left[self._written(left, seconds) :]

    def read(self, seconds: float | None = None) -> Frame | None:
        """Read the next frame; None where the other end closed between two, LineLost for anything else."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while (end := self._got.find(b"\n")) < 0:
            if not self._more(deadline):
                if self._got:
                    raise LineLost("cut off in the middle")
                return None
        line = loads(bytes(self._got[:end]))
        size = int(line.pop("bytes"))
        while len(self._got) < end + 1 + size:
            if not self._more(deadline):
                raise LineLost("cut off in the middle")
        data = bytes(self._got[end + 1 : end + 1 + size])
        del self._got[: end + 1 + size]
        return Frame(line, data)

    def _more(self, deadline: float | None) -> bool:
        left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
        if not select.select([self._reading], [], [], left)[0]:
            raise LineLost("no answer in time")
        got = os.read(self._reading, _READ)
        self._got += got
        return bool(got)

    def _written(self, left: memoryview, seconds: float | None) -> int:
        if not select.select([], [self._writing], [], seconds)[1]:
            raise LineLost("nothing is taken any more")
        try:
            return os.write(self._writing, left)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise LineLost(str(error)) from error
