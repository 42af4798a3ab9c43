"""Files below the working directory as state: write down what is there, and make it be there again.

Everything below the working directory travels: content, permissions, modification times, empty folders, links, hard
links. Contents are blobs under their SHA-256; the manifest names them. Both directions look at stats first, so a
directory that nobody touched costs no reading and no writing. One process at a time (``WorkLock``).

Not carried: owners, access times, extended attributes, the order in which a file system lists a folder.
"""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from j2k_dev.model.errors import Refused
from j2k_dev.worker.files.layout import hash_file, materialise
from j2k_dev.worker.files.lock import WorkLock
from j2k_dev.worker.files.manifest import (
    BlobStore,
    FileEntry,
    FileManifest,
    changes,
    manifest_from_json,
    manifest_to_json,
)
from j2k_dev.worker.files.memo import Memo, Stamp, stamp_of
from j2k_dev.worker.files.tree import Tree, control_folder, granted, hard_links, machinery, refuse_special, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = [
    "BlobStore",
    "FileEntry",
    "FileManifest",
    "WorkLock",
    "changed_originals",
    "changes",
    "control_folder",
    "hash_file",
    "in_parallel",
    "manifest_from_json",
    "manifest_to_json",
    "materialise",
    "scan",
    "store_file",
    "watch_originals",
]

T = TypeVar("T")

_TRIES = 5
_THREADS = 8
_MOST_WATCHED = 20_000
_WORKSPACE = ".j2k"


def scan(work: Path, previous: FileManifest, blobs: BlobStore) -> FileManifest:
    """Give what is in the working directory now; content that ``previous`` lacks is stored.

    Raises Refused for what can't be handed over, MachineryFailed where reading or storing fails.
    """
    tree = Tree(needed=stat.S_IRUSR | stat.S_IXUSR)
    with machinery("writing down the files of the working directory"):
        try:
            return _scan(work, tree, previous, blobs)
        finally:
            tree.restore_modes()


def store_file(path: str, name: str, previous: str, memo: Memo, blobs: BlobStore) -> tuple[str, os.stat_result]:
    """Store one file and give its hash with the stat that belongs to it; ``previous`` is a hash known to be stored.

    Raises Refused where something goes on writing it.
    """
    for _ in range(_TRIES):
        before = os.stat(path)  # noqa: PTH116  # thousands of paths: strings are faster
        content = memo.content(name, before)
        if content and (content == previous or blobs.has(content, before.st_size)):
            return content, before
        content = _put(path, previous, blobs)
        after = os.stat(path)  # noqa: PTH116  # strings: faster
        if stamp_of(before) == stamp_of(after):
            memo.learn(name, path, after, content)
            return content, after
    raise Refused(
        f"the file {name!r} keeps changing while it is written down: a thread or a child process still writes it",
        way_out="wait in the cell that started it until it has finished",
    )


def in_parallel(function: Callable[[str], T], names: Sequence[str]) -> list[T]:
    """Call ``function`` for each name, several at a time: waiting for the disk is most of storing a small file."""
    if len(names) < _THREADS:
        return [function(name) for name in names]
    pool = ThreadPoolExecutor(_THREADS)
    try:
        return list(pool.map(function, names))
    finally:
        pool.shutdown(cancel_futures=True)


def watch_originals(paths: Iterable[str], most: int = _MOST_WATCHED) -> dict[str, Stamp]:
    """Look at inputs that stay where they are (files, or folders with what is in them), before cells run.

    At most ``most`` are looked at: what lies beyond is not watched.
    """
    stamps: dict[str, Stamp] = {}
    for path in sorted(paths):
        _watch(path, stamps, most)
    return stamps


def changed_originals(before: Mapping[str, Stamp], paths: Iterable[str]) -> tuple[str, ...]:
    """Name the inputs that changed, appeared or went since ``watch_originals``: a stage must not write them."""
    now = watch_originals(paths)
    return tuple(sorted(path for path in before.keys() | now.keys() if before.get(path) != now.get(path)))


def _watch(path: str, stamps: dict[str, Stamp], most: int) -> None:
    try:
        status = os.stat(path)  # noqa: PTH116  # strings: faster
    except OSError:
        return
    if len(stamps) >= most:
        return
    # Neither ctime (a backup may link it) nor a folder's own times (a lock file comes and goes) mean a changed input.
    is_folder = stat.S_ISDIR(status.st_mode)
    stamps[path] = (0, 0, status.st_ino, 0) if is_folder else (status.st_size, status.st_mtime_ns, status.st_ino, 0)
    if is_folder:
        _watch_folder(path, stamps, most)


def _is_watched(entry: os.DirEntry[str]) -> bool:
    """Leave out what leads elsewhere, and other notebooks' workspaces: commands at work there change them."""
    return entry.name != _WORKSPACE and not (entry.is_symlink() and entry.is_dir())


def _watch_folder(path: str, stamps: dict[str, Stamp], most: int) -> None:
    try:
        with os.scandir(path) as entries:
            names = sorted(entry.path for entry in entries if _is_watched(entry))
    except OSError:
        return
    for name in names:
        _watch(name, stamps, most)


def _scan(work: Path, tree: Tree, previous: FileManifest, blobs: BlobStore) -> FileManifest:
    walk(work, tree)
    refuse_special(tree.found)
    reader = _Reader(str(work), previous, blobs, Memo(control_folder(work) / "memo.json"))
    manifest = {name: entry for name, status in tree.found.items() if (entry := reader.known(name, status))}
    unknown = [name for name in tree.found if name not in manifest]
    entries = in_parallel(lambda name: reader.read(name, tree.found[name]), unknown)
    manifest.update((name, entry) for name, entry in zip(unknown, entries, strict=True) if entry)
    for name, first in hard_links(tree.found).items():
        if name in manifest and first in manifest:
            manifest[name] = replace(manifest[name], link=first)
    reader.memo.keep_only(set(manifest))
    reader.memo.save()
    return dict(sorted(manifest.items()))


@dataclass
class _Reader:
    """Gives the entry of a name: from its stat where that is enough, else by reading and storing the file."""

    work: str
    previous: FileManifest
    blobs: BlobStore
    memo: Memo

    def known(self, name: str, status: os.stat_result) -> FileEntry | None:
        if stat.S_ISDIR(status.st_mode):
            return FileEntry("dir", mode=stat.S_IMODE(status.st_mode), mtime_ns=status.st_mtime_ns)
        content = self.memo.content(name, status)
        if content and (content == self._stored(name) or self.blobs.has(content, status.st_size)):
            return _file_entry(content, status)
        return None

    def read(self, name: str, status: os.stat_result) -> FileEntry | None:
        path = f"{self.work}/{name}"
        try:
            if stat.S_ISLNK(status.st_mode):
                return FileEntry("symlink", os.readlink(path))  # noqa: PTH115  # strings
            with granted(path, status.st_mode, stat.S_IRUSR):
                content, seen = store_file(path, name, self._stored(name), self.memo, self.blobs)
        except FileNotFoundError:  # removed by a background process since the walk
            return None
        return replace(_file_entry(content, seen), mode=stat.S_IMODE(status.st_mode))

    def _stored(self, name: str) -> str:
        known = self.previous.get(name)
        return known.content if known else ""


def _file_entry(content: str, status: os.stat_result) -> FileEntry:
    return FileEntry("file", content, status.st_size, stat.S_IMODE(status.st_mode), status.st_mtime_ns)


def _put(path: str, previous: str, blobs: BlobStore) -> str:
    """Read it first where it may well be what is stored already, to write nothing then."""
    if previous:
        content = hash_file(path)
        if content == previous or blobs.has(content, os.stat(path).st_size):  # noqa: PTH116  # strings: faster
            return content
    return blobs.put_file(Path(path))
