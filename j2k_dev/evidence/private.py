"""Files that are ours alone: who owns them and who else may touch them is looked at before they are believed."""

from __future__ import annotations

import os
import pwd
import shlex
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from j2k_dev.model.errors import MachineryFailed, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600
# No key is longer.
MOST_BYTES = 65536


def read_owned(path: Path, forbidden: int) -> bytes:
    """Read a file; Refused where it is somebody else's, or others have one of the ``forbidden`` permissions."""
    try:
        # A pipe in its place must not hold us up.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        _check(path, path.stat(), forbidden)
        raise
    try:
        status = os.fstat(descriptor)
        _check(path, status, forbidden)
        if not stat.S_ISREG(status.st_mode):
            raise Refused(f"{path} is not a file", way_out=f"move it away: mv {_quoted(path)} {_quoted(path)}.old")
        return os.read(descriptor, MOST_BYTES)
    finally:
        os.close(descriptor)


def check_folder(path: Path, forbidden: int) -> None:
    """Refuse a folder that is somebody else's, or where others have one of the ``forbidden`` permissions."""
    _check(path, path.stat(), forbidden)


@contextmanager
def unusable(folder: Path) -> Iterator[None]:
    """Say that the folder can't be used, and where the keys could be instead."""
    try:
        yield
    except OSError as error:
        raise MachineryFailed(
            f"{error.filename or folder} can't be used: {error.strerror or error}",
            way_out=f"mend that, or keep the keys in another folder: J2K_KEY_DIR=DIR (now {folder})",
        ) from error


def _check(path: Path, status: os.stat_result, forbidden: int) -> None:
    if status.st_uid != os.geteuid():
        raise Refused(
            f"{path} belongs to {_name(status.st_uid)}, and this is {_name(os.geteuid())}",
            way_out="do it as that user, or keep keys of your own: J2K_KEY_DIR=DIR",
        )
    if open_to_others := stat.S_IMODE(status.st_mode) & forbidden:
        doing = "read" if open_to_others & 0o044 else "change"
        raise Refused(
            f"others can {doing} {path} (its mode is {stat.S_IMODE(status.st_mode):03o})",
            way_out=_closing(path, status.st_mode),
        )


def _closing(path: Path, mode: int) -> str:
    """Say which command closes a file or folder to others; not one for a folder that all are meant to share."""
    if mode & stat.S_ISVTX:
        return "keep the keys in a folder of their own: J2K_KEY_DIR=DIR"
    right = PRIVATE_FOLDER if stat.S_ISDIR(mode) else PRIVATE_FILE
    return f"close it: chmod {right:o} {_quoted(path)}"


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
