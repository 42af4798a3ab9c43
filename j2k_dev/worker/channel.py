"""Lines of JSON between processes that were forked from each other, over a socket pair."""

from __future__ import annotations

import os
import select
import socket
from json import dumps, loads
from typing import Any

Line = dict[str, Any]


class Channel:
    """One end: writes whole lines, reads whatever lines are there without waiting for more."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.closed = False
        self._rest = b""

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Make both ends."""
        ends = socket.socketpair()
        return cls(ends[0].detach()), cls(ends[1].detach())

    def send(self, line: Line) -> bool:
        """Write a line, waiting for room; False when the other end is gone."""
        left = dumps(line).encode() + b"\n"
        try:
            while left:
                left = left[os.write(self.descriptor, left) :]
        except (BrokenPipeError, ConnectionResetError):
            self.closed = True
        return not self.closed

    def receive(self) -> list[Line]:
        """Read once, which waits only if nothing is readable, and return the complete lines."""
        try:
            got = os.read(self.descriptor, 65536)
        except ConnectionResetError:
            got = b""
        self.closed = not got
        *lines, self._rest = (self._rest + got).split(b"\n")
        return [loads(line) for line in lines]

    def receive_ready(self) -> list[Line]:
        """Return the lines that are there, without waiting at all."""
        got: list[Line] = []
        while not self.closed and select.select([self.descriptor], [], [], 0)[0]:
            got += self.receive()
        return got

    def wait_for_line(self) -> Line | None:
        """Wait for the next line (the other end sends one at a time); None when the other end is gone."""
        while not self.closed:
            lines = self.receive()
            if lines:
                return lines[0]
        return None

    def close(self) -> None:
        """Close this end."""
        os.close(self.descriptor)
