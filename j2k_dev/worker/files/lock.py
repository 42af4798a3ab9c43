"""The working directory belongs to one process at a time: the one that runs cells in it."""

from __future__ import annotations

import fcntl
import os
import time
from typing import TYPE_CHECKING

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.worker.files.tree import control_folder

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_SHORTEST, _LONGEST = 0.001, 0.02  # seconds between two looks


class WorkLock:
    """An flock: processes forked by a cell share it, so it is free only when the last that could write has gone."""

    def __init__(self, work: Path, wait_seconds: float = 30.0) -> None:
        self._path = control_folder(work) / "lock"
        self._wait_seconds = wait_seconds
        self._descriptor = -1

    def acquire(self) -> None:
        """Take the lock, or raise MachineryFailed naming the holder when the time is up."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._wait_for(descriptor)
        except BaseException:  # whatever ends the waiting (Ctrl-C too), the descriptor is given back
            os.close(descriptor)
            raise
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back; once is enough, twice does no harm."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _wait_for(self, descriptor: int) -> None:
        deadline = time.monotonic() + self._wait_seconds
        pause = _SHORTEST
        while not _locked(descriptor):
            if time.monotonic() >= deadline:
                raise _held(self._path, os.pread(descriptor, 32, 0).decode("ascii", "replace"), self._wait_seconds)
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _held(path: Path, holder: str, seconds: float) -> MachineryFailed:
    who = f"process {holder}, or one that it started," if holder else "another process"
    return MachineryFailed(
        f"{who} has held the working directory for more than {seconds:g} s ({path})",
        way_out="wait until it has finished, or end it, and run the command again",
    )
