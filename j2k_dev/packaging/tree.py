"""What an image's file system holds: folders, links followed by hand, files with their contents' hashes."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.packaging.secrets import holds_private_key, is_secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from j2k_dev.worker.files.memo import Memo

_NO_DISK = re.compile(r"/(?:proc|sys|dev|run)(?:/.*)?")
_MOST_LINKS = 40
_TIMESTAMPED, _UNCHECKED = 0, 1
_PYC_HEADER = 16


@dataclass(frozen=True)
class Entry:
    """One thing in the file system; a file's content is ``data``, or lies at ``source`` on this machine.

    Where both are given, ``data`` stands in the place of the source's first bytes, and nothing is known of the hash.
    """

    path: str
    kind: Literal["dir", "file", "link"]
    mode: int = 0o755
    link: str = ""
    source: str = ""
    data: bytes | None = None
    size: int = 0
    sha256: str = ""


def folder(path: str, mode: int = 0o755) -> Entry:
    """Make an entry for a folder."""
    return Entry(path, "dir", mode)


def text_file(path: str, data: bytes, mode: int = 0o644) -> Entry:
    """Make an entry for a file with this content."""
    return Entry(path, "file", mode, data=data, size=len(data), sha256=hashlib.sha256(data).hexdigest())


def with_parents(entries: Iterable[Entry]) -> list[Entry]:
    """Add the folders on the way, so that everybody can get to everything, and sort."""
    given = {entry.path: entry for entry in entries}
    parents: set[str] = set()
    for path in given:
        while (path := path.rpartition("/")[0]) and path not in parents:
            parents.add(path)
    return [given.get(path) or folder(path) for path in sorted(given.keys() | parents)]


@dataclass
class Tree:
    """Collects entries by path; ``secret`` are paths that a link led to and that hold secrets."""

    entries: dict[str, Entry] = field(default_factory=dict)
    secret: set[str] = field(default_factory=set)

    def add(self, path: str) -> None:
        """Take in what a path leads to, and each link and folder on the way; nothing if that is not there."""
        waiting, place, links = deque(path.split("/")[1:]), "", 0
        while waiting:
            part = waiting.popleft()
            if part in ("", "."):
                continue
            if part == "..":
                place = os.path.dirname(place).rstrip("/")  # noqa: PTH120 - strings
                continue
            entry = self._entry(f"{place}/{part}")
            if entry is None:
                return
            if entry.kind != "link":
                place = entry.path
                continue
            links += 1
            if links > _MOST_LINKS:
                return
            waiting.extendleft(reversed(entry.link.split("/")))
            place = "" if entry.link.startswith("/") else place

    def _entry(self, path: str) -> Entry | None:
        if path not in self.entries:
            found = self._look(path)
            if found is None:
                return None
            self.entries[path] = found
        return self.entries[path]

    def _look(self, path: str) -> Entry | None:
        try:
            status = os.lstat(path)
        except OSError:
            return None
        if stat.S_ISLNK(status.st_mode):
            return Entry(path, "link", 0o777, link=os.readlink(path))  # noqa: PTH115 - strings
        if stat.S_ISDIR(status.st_mode):
            return None if _NO_DISK.fullmatch(path) else folder(path)
        if not stat.S_ISREG(status.st_mode) or _NO_DISK.fullmatch(path):
            return None
        if is_secret(path) or holds_private_key(path, status.st_size):
            self.secret.add(path)
            return None
        return Entry(path, "file", _mode(status), source=path, size=status.st_size)


def collect(paths: Iterable[str], moved: Mapping[str, str] | None = None) -> Tree:
    """Collect what paths lead to, and files that go to another place: by that place, where they are."""
    tree = Tree()
    for path in sorted(paths):
        tree.add(path)
    for path, source in sorted((moved or {}).items()):
        tree.add(path.rpartition("/")[0])
        status = os.stat(source)  # noqa: PTH116 - strings
        tree.entries[path] = Entry(path, "file", _mode(status), source=source, size=status.st_size)
    return tree


def _mode(status: os.stat_result) -> int:
    return 0o755 if status.st_mode & 0o111 else 0o644


def hashed(entries: Mapping[str, Entry], memo: Memo) -> list[Entry]:
    """Hash the contents, those that are not known from their stat alone."""
    return [_hashed(entry, memo) if entry.source else entry for entry in entries.values()]


def _hashed(entry: Entry, memo: Memo) -> Entry:
    try:
        status = os.stat(entry.source)  # noqa: PTH116 - thousands of them
        sha256 = memo.content(entry.source, status)
        if sha256 is None:
            with open(entry.source, "rb") as file:  # noqa: PTH123 - thousands of them
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            memo.learn(entry.source, entry.source, status, sha256)
    except OSError as error:
        raise MachineryFailed(
            f"{entry.source} can't be read: {error.strerror}", "make it readable, or take it out: j2k build --review"
        ) from error
    return replace(entry, size=status.st_size, sha256=sha256)


def identity(entries: Iterable[Entry]) -> str:
    """Return a hash of what entries are, in whatever order they come."""
    lines = sorted(f"{entry.path}\0{entry.kind}\0{entry.mode:o}\0{entry.link}\0{entry.sha256}\n" for entry in entries)
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


# --- compiled modules -------------------------------------------------------------------------------------------------


def compiled(entries: Iterable[Entry], cache_tag: str) -> list[Entry]:
    """Find the compiled form of each module, made to fit sources whose time is 0: nothing is compiled at every start.

    The disk of a container can't be written, so Python could not keep what it compiles.
    """
    modules = [entry for entry in entries if entry.kind == "file" and entry.source.endswith(".py")]
    return [found for module in modules if (found := _compiled(module, cache_tag))]


def _compiled(module: Entry, cache_tag: str) -> Entry | None:
    source, path = (_cache_of(place, cache_tag) for place in (module.source, module.path))
    try:
        status = os.stat(module.source)  # noqa: PTH116 - thousands of them
        with open(source, "rb") as file:  # noqa: PTH123 - thousands of them
            header = _fitted(file.read(_PYC_HEADER), int(status.st_mtime), status.st_size)
            size = os.fstat(file.fileno()).st_size
    except OSError:
        return None
    return Entry(path, "file", 0o644, source=source, data=header, size=size) if header else None


def _cache_of(module: str, cache_tag: str) -> str:
    place, _, name = module.rpartition("/")
    return f"{place}/__pycache__/{name.removesuffix('.py')}.{cache_tag}.pyc"


def _fitted(header: bytes, mtime: int, size: int) -> bytes | None:
    """Set the time in a compiled module's header to 0, if it is of this very source (PEP 552)."""
    if len(header) < _PYC_HEADER:
        return None
    flags, made_from, length = (int.from_bytes(header[at : at + 4], "little") for at in (4, 8, 12))
    if flags == _UNCHECKED:
        return header
    fits = flags == _TIMESTAMPED and made_from == mtime & 0xFFFFFFFF and length == size & 0xFFFFFFFF
    return header[:8] + bytes(4) + header[12:] if fits else None
