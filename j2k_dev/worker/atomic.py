"""Files that are complete or absent: written under a temporary name, synced, then renamed."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def publish(path: Path, content: bytes, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Put ``content`` at ``path`` in one step; what was there before stays until then.

    ``meanwhile`` is called while half of it is written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            write_in_two(file, content, meanwhile)
            file.flush()
            os.fsync(file.fileno())
        Path(name).rename(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
    sync_folder(path.parent)


def write_in_two(file: IO[bytes], content: bytes, meanwhile: Callable[[], object]) -> None:
    """Write the first half, let something happen, and write the second one."""
    view, half = memoryview(content), len(content) // 2
    file.write(view[:half])
    file.flush()
    meanwhile()
    file.write(view[half:])


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
