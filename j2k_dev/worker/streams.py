"""sys.stdout and sys.stderr of a cell, and what programs and C code write to the file descriptors behind them.

Jupyter's kernel shows both, in the order of writing. Python's side calls the collector directly; the descriptors go to
unlinked temporary files that are drained before every Python write and after every cell, which keeps the order and
never blocks, however much is written. What a forked child prints takes the same way.
"""

from __future__ import annotations

import contextvars
import fcntl
import os
import tempfile
import threading
from typing import TYPE_CHECKING, Any

from ipykernel import iostream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Spool:
    """A file that any process which has it appends to, and the one that made it empties.

    It has no name, unless ``path`` gives it one: what is in it then outlives the processes.
    """

    def __init__(self, path: Path | None = None) -> None:
        with tempfile.TemporaryFile() if path is None else path.open("w+b") as file:
            self.number = os.dup(file.fileno())
        os.set_blocking(self.number, True)
        fcntl.fcntl(self.number, fcntl.F_SETFL, fcntl.fcntl(self.number, fcntl.F_GETFL) | os.O_APPEND)
        self._process = os.getpid()

    def is_ours(self) -> bool:
        """Tell whether this process made it; a forked child did not."""
        return os.getpid() == self._process

    def append(self, data: bytes) -> None:
        """Write all of ``data`` at the end."""
        view = memoryview(data)
        while view:
            view = view[os.write(self.number, view) :]

    def drain(self) -> bytes:
        """Return what was written since the last call."""
        if not os.fstat(self.number).st_size:
            return b""
        parts = []
        read = 0
        while chunk := os.pread(self.number, 1 << 20, read):
            parts.append(chunk)
            read += len(chunk)
        os.ftruncate(self.number, 0)
        return b"".join(parts)


class Descriptor(Spool):
    """Redirect a file descriptor into a spool."""

    def __init__(self, number: int, path: Path | None = None) -> None:
        self.original = os.dup(number)
        super().__init__(path)
        os.dup2(self.number, number)

    def drain_text(self) -> str:
        """Return what was written since the last call; bytes that are no UTF-8 are replaced."""
        return self.drain().decode("utf-8", "replace")


class OutStream(iostream.OutStream):  # type: ignore[misc]  # ipykernel has no types
    """What ``sys.stdout`` and ``sys.stderr`` are in a notebook: text goes to the output of the cell it belongs to.

    Which cell that is, ipykernel's own class says (``parent_header``), by context, by thread, or the one that runs.
    """

    def __init__(self, name: str, show: Callable[[str, str, str], None], descriptor: Descriptor) -> None:
        self.name = name
        self._show = show
        self._descriptor = descriptor
        self._lock = threading.RLock()
        self._start_answering()

    def _start_answering(self) -> None:
        """Set what ipykernel's class keeps about whom text belongs to."""
        self._parent_header: Any = contextvars.ContextVar("parent_header")
        self._parent_header.set({})
        self._parent_header_global: dict[str, Any] = {}
        self._thread_to_parent: dict[int, int] = {}
        self._thread_to_parent_header: dict[int, dict[str, Any]] = {}
        if not hasattr(type(self), "parent_header"):  # before ipykernel 6.18: the cell that runs, and no other
            self.parent_header: dict[str, Any] = {}

    def write(self, text: str) -> int:
        """Append to the output of the cell that the text belongs to."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text)}")
        if not self._descriptor.is_ours():
            self._descriptor.append(text.encode("utf-8", "replace"))
            return len(text)
        with self._lock:
            self.flush()
            if text:
                self._show(self.name, text, self._request())
        return len(text)

    def _request(self) -> str:
        return str((self.parent_header or {}).get("msg_id", ""))

    def _running(self) -> str:
        return str((self._parent_header_global or self.parent_header).get("msg_id", ""))

    def flush(self) -> None:
        """Put what came through the file descriptor where it belongs: before the next Python output."""
        if not self._descriptor.is_ours():
            return
        with self._lock:
            if waiting := self._descriptor.drain_text():
                self._show(self.name, waiting, self._running())

    def fileno(self) -> int:
        """Return the process's own stream, as Jupyter's kernel does."""
        return self._descriptor.original

    def isatty(self) -> bool:
        """Tell that nobody types here."""
        return False

    def writelines(self, lines: Any) -> None:
        """Write one after the other."""
        for line in lines:
            self.write(line)

    def close(self) -> None:
        """Close what was never open: the stream of a notebook lasts as long as its process."""

    @property
    def closed(self) -> bool:
        """Tell that it is open."""
        return False


OutStream.__module__ = iostream.__name__


def redirect(
    show: Callable[[str, str, str], None], stdout: Path | None = None, stderr: Path | None = None
) -> tuple[OutStream, OutStream]:
    """Return what shall be ``sys.stdout`` and ``sys.stderr``; programs' output goes the same way from now on.

    ``stdout`` and ``stderr`` are files for what programs wrote and is not shown yet, where that shall outlive us.
    """
    return OutStream("stdout", show, Descriptor(1, stdout)), OutStream("stderr", show, Descriptor(2, stderr))


__all__ = ["Descriptor", "OutStream", "Spool", "redirect"]
