"""sys.stdout and sys.stderr of a cell, and what programs and C code write to the file descriptors behind them.

Jupyter's kernel shows both, in the order of writing. Python's side calls the collector directly; the descriptors go to
unlinked temporary files that are drained before every Python write and after every cell, which keeps the order and
never blocks, however much is written.
"""

from __future__ import annotations

import io
import os
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

Write = "Callable[[str, str], None]"


class Descriptor:
    """Redirect a file descriptor into a temporary file and hand over what arrives there."""

    def __init__(self, number: int) -> None:
        self.original = os.dup(number)
        with tempfile.TemporaryFile() as file:
            self._file = os.dup(file.fileno())
        os.dup2(self._file, number)
        os.set_blocking(self._file, True)
        self._append_only()

    def _append_only(self) -> None:
        import fcntl  # noqa: PLC0415 - not on every platform

        fcntl.fcntl(self._file, fcntl.F_SETFL, fcntl.fcntl(self._file, fcntl.F_GETFL) | os.O_APPEND)

    def drain(self) -> str:
        """Return what was written since the last call; bytes that are no UTF-8 are replaced."""
        size = os.fstat(self._file).st_size
        if not size:
            return ""
        parts = []
        read = 0
        while chunk := os.pread(self._file, 1 << 20, read):
            parts.append(chunk)
            read += len(chunk)
        os.ftruncate(self._file, 0)
        return b"".join(parts).decode("utf-8", "replace")


class OutStream(io.TextIOBase):
    """What ``sys.stdout`` and ``sys.stderr`` are in a notebook: text goes to the output of the running cell."""

    encoding = "UTF-8"
    errors = None

    def __init__(self, name: str, write: Callable[[str, str], None], descriptor: Descriptor) -> None:
        self.name = name
        self._write = write
        self._descriptor = descriptor

    def write(self, text: str) -> int:
        """Append to the running cell's output."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text)}")
        self.flush()
        if text:
            self._write(self.name, text)
        return len(text)

    def flush(self) -> None:
        """Put what came through the file descriptor where it belongs: before the next Python output."""
        if waiting := self._descriptor.drain():
            self._write(self.name, waiting)

    def fileno(self) -> int:
        """Return the process's own stream, as Jupyter's kernel does."""
        return self._descriptor.original

    def isatty(self) -> bool:
        """Tell that nobody types here."""
        return False

    def writable(self) -> bool:
        """Tell that text can be written."""
        return True
