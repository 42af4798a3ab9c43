"""The notebook's folder as the pipeline's first state, and the place where it is laid out again.

The recording and every stage see one and the same path, ``PARENT/DIR`` below the workspace: a copy of the notebook's
folder, so that nothing a stage does touches the original. Around it, links stand for the real siblings, two levels up,
so that ``../data`` and ``../../shared`` work. Large inputs are not copied: a link shows where they are.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
from collections import deque
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

from j2k_dev.model.errors import BadInput, Refused
from j2k_dev.worker.files import BlobStore, FileEntry, FileManifest, in_parallel, store_file, watch_originals
from j2k_dev.worker.files.memo import Memo
from j2k_dev.worker.files.tree import CONTROL, Found, hard_links, machinery, special_kind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MIB = 1 << 20
_LEFT_OUT = {".j2k", ".ipynb_checkpoints", "__pycache__", CONTROL}
_NOT_DATA = {".git", ".hg", ".svn", "node_modules"}
_ENVIRONMENT_MARKS = ("pyvenv.cfg", "conda-meta")
_NO_DISK = ("/proc", "/sys", "/dev", "/run")
_SIBLINGS = 2000
_KEYED = 200_000  # originals that are looked at to tell whether anything changed
_FLAT = 10  # a folder with this many times the entries allowed is not even linked file by file


@dataclass(frozen=True)
class Bounds:
    """What is copied at most; the rest stays where it is."""

    file_bytes: int = 64 * MIB
    total_bytes: int = 1024 * MIB
    entries: int = 20_000


@dataclass(frozen=True)
class Inputs:
    """What a recording starts from.

    ``work`` is the working directory, not yet laid out (``materialise``); ``key`` changes when any content does;
    ``originals`` are the files and folders that stay where they are (``watch_originals``); ``notes`` are for people;
    ``uncounted`` are names in the manifest that are no data (other notebooks, environments).
    """

    work: Path
    manifest: FileManifest
    key: str
    originals: tuple[str, ...]
    notes: tuple[str, ...]
    uncounted: frozenset[str] = frozenset()


def work_path(notebook: Path, workspace: Path) -> Path:
    """Give the working directory for a notebook: the names of its folder and of the folder above are kept."""
    folder = _folder_of(notebook)
    return workspace.resolve() / "work" / (folder.parent.name or "_") / (folder.name or "_")


def prepare_inputs(
    notebook: Path, workspace: Path, store: BlobStore, data: Sequence[Path] = (), bounds: Bounds | None = None
) -> Inputs:
    """Store the notebook's folder, and lay out the surroundings of the working directory.

    ``data`` are folders or files that stay where they are and are only read. Nothing changed since the last call
    means nothing is read but the stats.
    """
    folder, workspace = _folder_of(notebook), workspace.resolve()
    _check_places(folder, workspace, data)
    with machinery("reading the notebook's folder"):
        work = work_path(notebook, workspace)
        memo = Memo(workspace / "inputs.json")
        selection = _Selection(folder, workspace, [path.resolve() for path in data], bounds or Bounds(), store, memo)
        selection.select()
        key = selection.key()
        notes = [*selection.notes(), *_lay_out_surroundings(folder, work, workspace)]
    originals, uncounted = tuple(sorted(set(selection.originals))), frozenset(selection.uncounted)
    return Inputs(work, selection.manifest, key, originals, tuple(notes), uncounted)


def _folder_of(notebook: Path) -> Path:
    return notebook.absolute().parent.resolve()


def _check_places(folder: Path, workspace: Path, data: Sequence[Path]) -> None:
    if _below(str(folder), str(workspace)):
        raise BadInput(
            f"--workspace {workspace} holds the notebook's own folder",
            way_out="give a folder of its own, such as the default: .j2k beside the notebook",
        )
    for path in data:
        if not path.exists():
            raise BadInput(f"--data {path}: there is no such file or folder", way_out="give a path that exists")
        if _below(str(folder), str(path.resolve())):
            raise BadInput(f"--data {path} holds the notebook's own folder", way_out="give a folder of data only")


@dataclass
class _Selection:
    """One walk over the folder, level by level, so that what is near the notebook is copied before the budget ends."""

    folder: Path
    workspace: Path
    data: list[Path]
    bounds: Bounds
    store: BlobStore
    memo: Memo
    manifest: FileManifest = field(default_factory=dict)
    originals: list[str] = field(default_factory=list)
    bytes: int = 0
    uncounted: set[str] = field(default_factory=set)
    files: dict[str, str] = field(default_factory=dict)
    linked: Found = field(default_factory=dict)
    noted: dict[str, list[str]] = field(default_factory=dict)

    def select(self) -> None:
        waiting = deque([("", str(self.folder))])
        while waiting:
            prefix, path = waiting.popleft()
            for entry in self._listed(prefix, path):
                with contextlib.suppress(FileNotFoundError):  # gone since it was listed: an editor's, most likely
                    if self._take(prefix + entry.name, entry):
                        waiting.append((f"{prefix}{entry.name}/", entry.path))
        self.originals += [str(path) for path in self.data]
        self._store()
        for name, first in hard_links(self.linked).items():
            self.manifest[name] = replace(self.manifest[name], link=first)
        self.memo.keep_only(set(self.manifest))
        self.memo.save()

    def key(self) -> str:
        """Hash content, permissions and link targets; of what stays where it is, sizes and times."""
        lines = [
            [name, entry.kind, entry.content, entry.mode if entry.kind == "file" else 0, entry.link]
            for name, entry in sorted(self.manifest.items())
            if name not in self.uncounted
        ]
        stamps = sorted(watch_originals(self.originals, _KEYED).items())
        if len(stamps) >= _KEYED:
            self.noted[f"more than {_KEYED} files: a change in the rest is not noticed"] = sorted(self.originals)
        return hashlib.sha256(json.dumps([lines, stamps]).encode()).hexdigest()

    def notes(self) -> list[str]:
        return [f"{_some(names)}: {why}" for why, names in self.noted.items()]

    def _store(self) -> None:
        """Store the files that were chosen and are not known; ``self.files`` names them."""
        in_parallel(self._stored, [*self.files])

    def _stored(self, name: str) -> None:
        path = self.files[name]
        try:
            content, seen = store_file(path, name, "", self.memo, self.store)
        except FileNotFoundError:  # gone since it was listed
            del self.manifest[name]
            self.linked.pop(name, None)
            return
        except Refused as refusal:
            raise _still_written(path) from refusal
        self._enter(name, content, seen)

    def _enter(self, name: str, content: str, status: os.stat_result) -> None:
        if status.st_nlink > 1:
            self.linked[name] = status
        mode = stat.S_IMODE(status.st_mode)
        self.manifest[name] = FileEntry("file", content, status.st_size, mode, status.st_mtime_ns)

    def _listed(self, prefix: str, path: str) -> list[os.DirEntry[str]]:
        """List a folder, or leave it where it is when it can't be read or is too full."""
        room = self.bounds.entries - len(self.manifest)
        most = room if prefix else self.bounds.entries * _FLAT
        try:
            with os.scandir(path) as entries:
                listed = sorted(islice(entries, most + 1), key=lambda entry: entry.name)
        except PermissionError:
            if not prefix:
                raise
            self._leave(prefix.rstrip("/"), path, "can't be read and stays where it is")
            return []
        if len(listed) <= most:
            return listed
        if not prefix:
            raise _too_full(self.folder, most)
        self._leave(prefix.rstrip("/"), path, self._why_too_many())
        return []

    def _take(self, name: str, entry: os.DirEntry[str]) -> bool:
        """Take one name into the manifest; say whether it is a folder to go into."""
        if entry.name in _LEFT_OUT or self._is_workspace(entry.path):
            return False
        if entry.is_symlink():
            self._take_link(name, entry.path)
            return False
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            return self._take_folder(name, entry, status)
        self._take_file(name, entry.path, status)
        return False

    def _take_folder(self, name: str, entry: os.DirEntry[str], status: os.stat_result) -> bool:
        if entry.name in _NOT_DATA or any(os.path.lexists(f"{entry.path}/{mark}") for mark in _ENVIRONMENT_MARKS):
            self._leave(name, entry.path, "")
            return False
        if self._is_data(entry.path):
            self._leave(name, entry.path, "stays where it is (--data)")
            return False
        self.manifest[name] = FileEntry("dir", mode=stat.S_IMODE(status.st_mode), mtime_ns=status.st_mtime_ns)
        return True

    def _take_file(self, name: str, path: str, status: os.stat_result) -> None:
        why = self._why_left(path, status)
        if why:
            self._leave(name, path, why)
            return
        content = self.memo.content(name, status) or ""
        if not (content and self.store.has(content, status.st_size)):
            self.files[name] = path
        self.bytes += status.st_size
        self._enter(name, content, status)
        if name.endswith(".ipynb"):
            self.uncounted.add(name)

    def _take_link(self, name: str, path: str) -> None:
        """Keep a link as it is where it leads to the same place from the copy; else let it lead to the original."""
        target = os.readlink(path)  # noqa: PTH115  # strings are what the manifest holds
        self.manifest[name] = FileEntry("symlink", self._target_from_copy(name, target))
        real = os.path.realpath(path)
        loops = _below(str(self.folder), real) or _below(real, str(self.folder))
        if not loops and not real.startswith(_NO_DISK) and os.path.exists(real):  # noqa: PTH110  # realpath gave a string
            self.originals.append(real)

    def _target_from_copy(self, name: str, target: str) -> str:
        lead = os.path.normpath(os.path.join(self.folder, os.path.dirname(name), target))  # noqa: PTH118, PTH120  # lexical
        if os.path.isabs(target):  # noqa: PTH117  # strings
            inside = _below(lead, str(self.folder))
            return os.path.relpath(lead, os.path.join(self.folder, os.path.dirname(name))) if inside else target  # noqa: PTH118, PTH120  # strings: faster
        grandparent = str(self.folder.parent.parent)
        return target if _below(lead, grandparent) else lead

    def _why_left(self, path: str, status: os.stat_result) -> str:
        if self._is_data(path):
            return "stays where it is (--data)"
        if kind := special_kind(status):
            return f"is {kind}: a link to it is made"
        if status.st_size > self.bounds.file_bytes:
            return f"is larger than {_size(self.bounds.file_bytes)} and stays where it is: stages read it by a link"
        if self.bytes + status.st_size > self.bounds.total_bytes:
            return f"is past the first {_size(self.bounds.total_bytes)} and stays where it is: stages read it by a link"
        if len(self.manifest) >= self.bounds.entries:
            return self._why_too_many()
        return "" if os.access(path, os.R_OK) else "can't be read and stays where it is"

    def _why_too_many(self) -> str:
        return f"is past the first {self.bounds.entries} files and stays where it is: stages read it by a link"

    def _leave(self, name: str, path: str, why: str) -> None:
        """Show an original by a link; without a reason it is no data: neither watched nor part of the key."""
        self.manifest[name] = FileEntry("symlink", path)
        if why:
            self.originals.append(path)
            self.noted.setdefault(why, []).append(name)
        else:
            self.uncounted.add(name)

    def _is_data(self, path: str) -> bool:
        return any(path == str(data) for data in self.data)

    def _is_workspace(self, path: str) -> bool:
        return path == str(self.workspace)


def _lay_out_surroundings(folder: Path, work: Path, workspace: Path) -> list[str]:
    """Make the two levels of links around the working directory; real files there are the notebook's own doing."""
    (work.parent.parent / CONTROL).mkdir(parents=True, exist_ok=True)
    work.mkdir(parents=True, exist_ok=True)
    notes = _link_level(work.parent, folder.parent, {folder.name}, workspace, work.name)
    if folder.parent != folder.parent.parent:
        notes += _link_level(
            work.parent.parent, folder.parent.parent, {folder.parent.name}, workspace, work.parent.name
        )
    return notes


def _link_level(level: Path, real: Path, left_out: set[str], workspace: Path, ours: str) -> list[str]:
    wanted, notes = _siblings(real, left_out | {ours, CONTROL, ".j2k"}, workspace)
    present = {entry.name: entry for entry in os.scandir(level)}
    for name, entry in present.items():
        if entry.is_symlink():
            if os.readlink(entry.path) != wanted.get(name):  # noqa: PTH115  # strings
                os.unlink(entry.path)  # noqa: PTH108  # strings
        elif name in wanted:
            shutil.rmtree(entry.path) if entry.is_dir() else os.unlink(entry.path)  # noqa: PTH108  # strings
    for name, target in wanted.items():
        if not os.path.lexists(level / name):
            (level / name).symlink_to(target)
    return notes


def _siblings(real: Path, left_out: set[str], workspace: Path) -> tuple[dict[str, str], list[str]]:
    try:
        with os.scandir(real) as entries:
            names = sorted(entry.name for entry in entries)
    except OSError as error:
        return {}, [f"{real} can't be listed ({error.strerror}): what is beside the notebook's folder is not reachable"]
    # A link to a folder that holds the workspace would lead into itself, endlessly for a recursive glob.
    wanted = {name: f"{real}/{name}".replace("//", "/") for name in names if name not in left_out}
    wanted = {name: path for name, path in wanted.items() if not _below(str(workspace), os.path.realpath(path))}
    if len(wanted) <= _SIBLINGS:
        return wanted, []
    note = f"{real} holds {len(wanted)} entries: only the first {_SIBLINGS} by name are reachable from the notebook"
    return dict(islice(wanted.items(), _SIBLINGS)), [note]


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown  # noqa: PLR2004  # three are an impression


def _size(count: int) -> str:
    return f"{count / MIB:g} MiB"


def _too_full(folder: Path, most: int) -> Refused:
    return Refused(
        f"the notebook's folder {folder} holds more than {most} entries",
        way_out="move the notebook, or its data, to a folder of its own (data can stay where it is: --data DIR)",
    )


def _still_written(path: str) -> Refused:
    return Refused(
        f"{path} keeps changing while it is read: another program writes it",
        way_out="wait until that program has finished, or keep the file outside of the notebook's folder",
    )
