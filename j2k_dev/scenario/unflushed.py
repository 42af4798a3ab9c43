"""What of a file is in the machine's memory only, and would not outlive a power cut: Linux tells, since 6.5."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# cachestat(2) has this number on all of Linux's architectures.
_CACHESTAT = 451


class _Range(ctypes.Structure):
    _fields_ = (("offset", ctypes.c_uint64), ("length", ctypes.c_uint64))


class _Pages(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint64) for name in ("cached", "dirty", "writeback", "evicted", "recent"))


def unflushed_pages(file: Path) -> int:
    """Count the pages of a file's content that are not known to be on the disk; OSError where nobody can tell."""
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        library = ctypes.CDLL(None, use_errno=True)
        everything, pages = _Range(0, 0), _Pages()
        if library.syscall(_CACHESTAT, descriptor, ctypes.byref(everything), ctypes.byref(pages), 0):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(file))
        return int(pages.dirty + pages.writeback)
    finally:
        os.close(descriptor)


def flush(file: Path) -> None:
    """Have a file's content on the disk."""
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def tells(file: Path) -> bool:
    """Say whether the disk tells of what was just written to a file that it is not there, and is once it is flushed.

    A disk in memory never does, and a folder that another kernel writes (a virtual machine's) doesn't either.
    """
    try:
        before = unflushed_pages(file)
        flush(file)
        return before > 0 == unflushed_pages(file)
    except OSError:
        return False


def told_in(folder: Path) -> bool:
    """Say whether that can be told of files in a folder; nothing is left there."""
    probe = folder / f".power-{os.getpid()}"
    try:
        probe.write_bytes(b"not on the disk yet")
        return tells(probe)
    except OSError:
        return False
    finally:
        probe.unlink(missing_ok=True)
