"""One process at a time: what is read, changed and written back here takes milliseconds, so whoever comes waits."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from typing import TYPE_CHECKING

from j2k_dev.model.errors import MachineryFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_POLL_SECONDS = 0.02


@contextlib.contextmanager
def alone(path: Path, seconds: float = 30.0) -> Iterator[None]:
    """Be the only one who holds the lock on this file; MachineryFailed where another holds it for ``seconds``.

    The system takes the lock back when its process ends, however it ends.
    """
    descriptor = _taken(path, time.monotonic() + seconds)
    try:
        yield
    finally:
        os.close(descriptor)


def _taken(path: Path, deadline: float) -> int:
    while (descriptor := _try(path)) is None:
        if time.monotonic() > deadline:
            raise MachineryFailed(
                f"another process holds {path} and does not let go", way_out=f"see which it is: fuser {path}"
            )
        threading.Event().wait(_POLL_SECONDS)
    return descriptor


def _try(path: Path) -> int | None:
    """Take the lock, or return None; a lock on a file that was removed meanwhile counts for nothing."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None
