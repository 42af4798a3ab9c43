"""What is known of the content of files from their stat alone, kept beside the working directory.

Hashing a folder costs seconds, looking at it milliseconds. A memo says which content a file had when its stat was
(size, mtime, inode, ctime). Git's lesson is heeded: a file that was changed in the same tick of the file system's
clock as it was looked at may change again without its stat showing it, so it is not remembered until the clock has
moved on. The clock is the file system's own (a probe file), and a memo does not outlive the boot: after a power
failure a stat no longer proves that the bytes arrived.
"""

from __future__ import annotations

import contextlib
import os
from json import dumps, loads
from pathlib import Path

Stamp = tuple[int, int, int, int]

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def stamp_of(status: os.stat_result) -> Stamp:
    """Give what changes whenever the content of a file does."""
    return (status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns)


class Memo:
    """Names of files and the content they had, in a JSON file; a memo that can't be read is an empty one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = _read(path)
        self._fresh: dict[str, tuple[str, Stamp, str]] = {}
        self._changed = False

    def content(self, name: str, status: os.stat_result) -> str | None:
        """Give the SHA-256 that the file had under this stat, or None where it has to be read."""
        known = self._known.get(name)
        return known[1] if known and known[0] == stamp_of(status) else None

    def learn(self, name: str, path: str, status: os.stat_result, content: str) -> None:
        """Note the content just seen; it counts from ``save`` on, if the file is unchanged by then."""
        self._fresh[name] = (path, stamp_of(status), content)

    def keep_only(self, names: set[str]) -> None:
        """Forget files that are no longer there."""
        gone = self._known.keys() - names
        self._changed |= bool(gone)
        for name in gone:
            del self._known[name]

    def save(self) -> None:
        """Write down what was learnt, in one step; nothing learnt means nothing written."""
        if self._fresh:
            self._settle(_clock(self._path.with_name(self._path.name + ".clock")))
        if not self._changed:
            return
        scratch = self._path.with_name(self._path.name + ".new")
        files = {name: [*stamp, content] for name, (stamp, content) in self._known.items()}
        try:
            scratch.write_text(dumps({"boot": _boot(), "files": files}), encoding="ascii")
            scratch.replace(self._path)
        except OSError:
            scratch.unlink(missing_ok=True)
            raise
        self._changed = False

    def _settle(self, now: int) -> None:
        for name, (path, stamp, content) in self._fresh.items():
            if _still(path, stamp) and stamp[3] < now:
                self._known[name] = (stamp, content)
                self._changed = True
        self._fresh.clear()


def _read(path: Path) -> dict[str, tuple[Stamp, str]]:
    try:
        plain = loads(path.read_bytes())
        if plain["boot"] != _boot():
            return {}
        return {
            name: ((size, mtime, ino, ctime), sha) for name, (size, mtime, ino, ctime, sha) in plain["files"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # A memo only saves time: without it everything is read again.
        return {}


def _boot() -> str:
    with contextlib.suppress(OSError):
        return _BOOT_ID.read_text(encoding="ascii").strip()
    return ""


def _clock(probe: Path) -> int:
    probe.parent.mkdir(parents=True, exist_ok=True)
    probe.write_bytes(b".")
    return probe.stat().st_ctime_ns


def _still(path: str, stamp: Stamp) -> bool:
    with contextlib.suppress(OSError):
        return stamp_of(os.lstat(path)) == stamp
    return False
