"""Looking at the working directory: what is there, by name relative to it, without following any link.

Two levels above it belong to it where j2k laid them out (``engine/workdir.py``): there, links stand for the real
siblings and are left alone, and whatever else appears was made by the notebook (``../results.csv``) and is state too.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from j2k_dev.model.errors import J2kError, MachineryFailed, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTROL = ".j2k-work"
"""The folder, two levels above the working directory, that holds the lock, the memo and unfinished files."""

Found = dict[str, os.stat_result]

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_SPECIAL = {
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def control_folder(work: Path) -> Path:
    """Give the folder for what j2k itself needs beside ``work``, on the same file system, outside of the state."""
    laid_out = work.parent.parent / CONTROL
    return laid_out if laid_out.is_dir() else work.parent / f"{CONTROL}-{work.name}"


@dataclass
class Tree:
    """What was found, by name, and the modes of the folders that had to be opened to get in."""

    needed: int
    found: Found = field(default_factory=dict)
    opened: dict[str, int] = field(default_factory=dict)

    def restore_modes(self) -> None:
        """Give the opened folders the modes back that the notebook had set."""
        for path, mode in reversed(self.opened.items()):
            with contextlib.suppress(FileNotFoundError):
                os.chmod(path, mode)  # noqa: PTH101  # thousands of paths: strings are faster
        self.opened.clear()


def walk(work: Path, tree: Tree) -> None:
    """Find everything below ``work``, and what is new in the two levels above it; open folders that are closed."""
    _walk_into(tree, str(work), "")
    if (work.parent.parent / CONTROL).is_dir():
        _walk_level(tree, work.parent, "../", {work.name})
        _walk_level(tree, work.parent.parent, "../../", {work.parent.name, CONTROL})


def refuse_special(found: Found) -> None:
    """Raise Refused, naming them, where there are sockets, pipes or devices: they have no content to hand over."""
    special = [f"{name} ({kind})" for name, status in found.items() if (kind := special_kind(status))]
    if special:
        raise Refused(
            f"the working directory holds what can't be handed over: {', '.join(sorted(special)[:5])}",
            way_out="close and remove it in the cell that made it, or make it in a folder of tempfile",
        )


def special_kind(status: os.stat_result) -> str | None:
    """Say what a socket, pipe or device is; None for files, folders and links."""
    return _SPECIAL.get(stat.S_IFMT(status.st_mode))


def hard_links(found: Found) -> dict[str, str]:
    """Give, for every further name of a file, the first of its names."""
    first: dict[tuple[int, int], str] = {}
    further: dict[str, str] = {}
    for name in sorted(found):
        status = found[name]
        if status.st_nlink > 1 and stat.S_ISREG(status.st_mode):
            master = first.setdefault((status.st_dev, status.st_ino), name)
            if master != name:
                further[name] = master
    return further


@contextlib.contextmanager
def granted(path: str, mode: int, needed: int) -> Iterator[None]:
    """Lend the owner ``needed`` permissions on ``path`` for a while, whatever the notebook has set."""
    if not needed & ~mode:
        yield
        return
    os.chmod(path, stat.S_IMODE(mode) | needed)  # noqa: PTH101  # thousands of paths: strings are faster
    try:
        yield
    finally:
        os.chmod(path, stat.S_IMODE(mode))  # noqa: PTH101  # strings: faster


@contextlib.contextmanager
def machinery(doing: str) -> Iterator[None]:
    """Turn what the operating system refuses into MachineryFailed, saying what was being done."""
    try:
        yield
    except J2kError:
        raise
    except OSError as error:
        way_out = "make room on the disk" if error.errno in _FULL else "see that the folder is there and writable"
        raise MachineryFailed(f"{doing} failed: {error}", way_out=f"{way_out}, then run the command again") from error


def _walk_level(tree: Tree, folder: Path, prefix: str, ours: set[str]) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name not in ours and not entry.is_symlink():
                _take(tree, entry, prefix)


def _walk_into(tree: Tree, folder: str, prefix: str) -> None:
    """Depth is bounded by the length of a path, so recursion is safe."""
    with os.scandir(folder) as entries:
        for entry in entries:
            _take(tree, entry, prefix)


def _take(tree: Tree, entry: os.DirEntry[str], prefix: str) -> None:
    try:
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode) and tree.needed & ~status.st_mode:
            os.chmod(entry.path, stat.S_IMODE(status.st_mode) | tree.needed)  # noqa: PTH101  # strings: faster
            tree.opened[entry.path] = stat.S_IMODE(status.st_mode)
        tree.found[prefix + entry.name] = status
        if stat.S_ISDIR(status.st_mode):
            _walk_into(tree, entry.path, f"{prefix}{entry.name}/")
    except FileNotFoundError:  # a background process removed it in between: it is not there
        tree.found.pop(prefix + entry.name, None)
