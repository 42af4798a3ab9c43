"""Making the working directory what a manifest says, touching only what differs.

Files are written beside the directory and renamed into it, so that none is ever seen half-written; a call that was
killed half-way is simply made again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from typing import TYPE_CHECKING

from j2k_dev.worker.blobs import BlobDamaged
from j2k_dev.worker.files.memo import Memo
from j2k_dev.worker.files.tree import Tree, control_folder, granted, hard_links, machinery, walk

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import FileIO
    from pathlib import Path

    from j2k_dev.worker.files.manifest import BlobStore, FileEntry, FileManifest

_CHUNK = 1 << 20
_KINDS = {"file": stat.S_ISREG, "dir": stat.S_ISDIR, "symlink": stat.S_ISLNK}


def materialise(manifest: FileManifest, work: Path, blobs: BlobStore) -> None:
    """Make the working directory exactly what the manifest says, touching only what differs.

    Killed half-way, it is called again and finishes. Raises MachineryFailed for a missing or damaged blob.
    """
    with machinery("laying out the files of the working directory"):
        work.mkdir(parents=True, exist_ok=True)
        _Layout(manifest, work, blobs).make()


def hash_file(path: str | Path) -> str:
    """Give the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as source:  # noqa: PTH123  # strings: faster
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


class _Layout:
    """One call of ``materialise``: what is wanted, and what was found."""

    def __init__(self, manifest: FileManifest, work: Path, blobs: BlobStore) -> None:
        control = control_folder(work)
        self._manifest = manifest
        self._work = work
        self._blobs = blobs
        self._scratch = control / "unfinished"
        self._memo = Memo(control / "memo.json")
        self._tree = Tree(needed=stat.S_IRWXU)
        self._found = self._tree.found
        self._rewritten: set[str] = set()

    def make(self) -> None:
        self._empty_scratch()
        walk(self._work, self._tree)
        self._remove_extra()
        self._break_links()
        for name in sorted(self._manifest):
            self._make_one(name, self._manifest[name])
        self._close_folders()
        self._memo.keep_only(set(self._manifest))
        self._memo.save()

    def _empty_scratch(self) -> None:
        """Remove what a killed predecessor left there: it was never part of the directory."""
        if self._scratch.is_dir():
            shutil.rmtree(self._scratch)
        self._scratch.mkdir(parents=True)

    def _remove_extra(self) -> None:
        for name in sorted(self._found, reverse=True):  # what is in a folder goes before the folder
            wanted = self._manifest.get(name)
            if wanted is None or not _is_kind(wanted, self._found[name]):
                remove = os.rmdir if stat.S_ISDIR(self._found[name].st_mode) else os.unlink
                remove(self._path(name))
                del self._found[name]

    def _break_links(self) -> None:
        """Files that share an inode but should not, or the other way round, are made anew."""
        actual = hard_links(self._found)
        for name in set(actual) | {name for name, entry in self._manifest.items() if entry.link}:
            wanted = self._manifest[name].link
            if name in self._found and actual.get(name, "") != wanted:
                os.unlink(self._path(name))  # noqa: PTH108  # strings: faster
                del self._found[name]

    def _make_one(self, name: str, entry: FileEntry) -> None:
        path = self._path(name)
        if entry.kind == "dir":
            if name not in self._found:
                os.mkdir(path, 0o700)  # noqa: PTH102  # strings: faster
        elif entry.kind == "symlink":
            if name not in self._found or os.readlink(path) != entry.content:  # noqa: PTH115  # strings: faster
                self._swap_in(path, lambda scratch: os.symlink(entry.content, scratch))  # noqa: PTH211  # strings: faster
        elif entry.link:
            if name not in self._found or entry.link in self._rewritten:
                self._swap_in(path, lambda scratch: os.link(self._path(entry.link), scratch))
        else:
            self._make_file(name, path, entry)

    def _make_file(self, name: str, path: str, entry: FileEntry) -> None:
        status = self._found.get(name)
        if status is None or not self._holds(name, path, status, entry):
            self._swap_in(path, lambda scratch: self._write(name, entry, scratch))
            self._rewritten.add(name)
        elif (stat.S_IMODE(status.st_mode), status.st_mtime_ns) != (entry.mode, entry.mtime_ns):
            os.chmod(path, entry.mode)  # noqa: PTH101  # strings: faster
            os.utime(path, ns=(entry.mtime_ns, entry.mtime_ns))
        elif self._memo.content(name, status):
            return
        self._memo.learn(name, path, os.lstat(path), entry.content)

    def _holds(self, name: str, path: str, status: os.stat_result, entry: FileEntry) -> bool:
        known = self._memo.content(name, status)
        if known or status.st_size != entry.size:
            return known == entry.content
        with granted(path, status.st_mode, stat.S_IRUSR):
            return hash_file(path) == entry.content

    def _write(self, name: str, entry: FileEntry, scratch: str) -> None:
        digest = hashlib.sha256()
        try:
            source = self._blobs.path(entry.content).open("rb", buffering=0)
        except FileNotFoundError as error:
            raise _lost(name, "gone") from error
        with source, open(scratch, "xb", buffering=0) as target:  # noqa: PTH123  # strings: faster
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                _write_all(target, chunk)
        if digest.hexdigest() != entry.content:
            raise _lost(name, "damaged")
        os.chmod(scratch, entry.mode)  # noqa: PTH101  # strings: faster
        os.utime(scratch, ns=(entry.mtime_ns, entry.mtime_ns))

    def _swap_in(self, path: str, make: Callable[[str], None]) -> None:
        scratch = f"{self._scratch}/{os.getpid()}"
        try:
            make(scratch)
            os.replace(scratch, path)  # noqa: PTH105  # strings: faster
        except BaseException:  # whatever went wrong, nothing half-written stays
            if os.path.lexists(scratch):
                os.unlink(scratch)  # noqa: PTH108  # strings: faster
            raise

    def _close_folders(self) -> None:
        """Set modes and times last, the deepest first: making what is inside changes them."""
        for name in sorted(self._manifest, reverse=True):
            entry = self._manifest[name]
            if entry.kind == "dir":
                path = self._path(name)
                status = os.lstat(path)
                if status.st_mtime_ns != entry.mtime_ns:
                    os.utime(path, ns=(entry.mtime_ns, entry.mtime_ns))
                if stat.S_IMODE(status.st_mode) != entry.mode:
                    os.chmod(path, entry.mode)  # noqa: PTH101  # strings: faster

    def _path(self, name: str) -> str:
        return f"{self._work}/{name}"


def _write_all(target: FileIO, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[target.write(view) :]


def _is_kind(entry: FileEntry, status: os.stat_result) -> bool:
    return _KINDS[entry.kind](status.st_mode)


def _lost(name: str, how: str) -> BlobDamaged:
    return BlobDamaged(f"the stored content of the file {name!r} is {how}")
