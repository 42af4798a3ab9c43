"""Removing what j2k keeps in a workspace: only below our marker, and only the names that its layout gives out."""

from __future__ import annotations

import os
import re
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from j2k_dev.engine.locks import lock, refuse_while_runs_go_on
from j2k_dev.engine.workspace import CLUSTERS, IGNORE, IGNORE_ALL, OURS, SANDBOX, TEMPORARY, Workspace

_BUG = re.compile(r"bug-[0-9-]+\.txt")


@dataclass(frozen=True)
class Removed:
    """What ``remove`` took away (bytes on disk) and what it left: what is not j2k's, sandboxes, an exchange."""

    root: Path
    names: tuple[str, ...]
    bytes: int
    kept: tuple[str, ...]


def remove(workspace: Workspace, *, purge: bool = True) -> Removed:
    """Remove what j2k keeps in a workspace and nothing else; commands at work there and sandboxes stay as they are.

    Without ``purge``, what pipelines left on the exchange of a cluster stays too.
    """
    with lock(workspace, wait=False):
        refuse_while_runs_go_on(workspace)
        entries = sorted(workspace.root.iterdir())
        keep = not purge and workspace.root / CLUSTERS in entries and workspace.exchange in entries
        ours = _removable(workspace, entries, keep=keep)
        kept = tuple(entry.name for entry in entries if not _is_ours(entry) or (keep and entry == workspace.exchange))
        size = sum(_size_on_disk(entry) for entry in ours)
        for entry in ours:
            _remove_tree(entry)
    if not kept and not workspace.root.is_symlink():
        workspace.root.rmdir()
    return Removed(workspace.root, tuple(str(entry.relative_to(workspace.root)) for entry in ours), size, kept)


def _removable(workspace: Workspace, entries: list[Path], *, keep: bool) -> list[Path]:
    """Pick what is j2k's; where a sandbox is, the workspace stays, and the folder that its nodes have mounted.

    ``keep``: the exchange stays with all that is in it, and that it was a cluster's.
    """
    # The marker goes last: a removal that is interrupted can be taken up again.
    ours = sorted(filter(_is_ours, entries), key=lambda entry: entry == workspace.marker)
    if workspace.root / SANDBOX not in entries and not keep:
        return ours
    staying = [workspace.marker, workspace.root / IGNORE, workspace.exchange]
    staying += [workspace.root / CLUSTERS] if keep else []
    exchanged = [] if keep else sorted(workspace.exchange.glob("[!.]*"))
    return [entry for entry in ours if entry not in staying] + exchanged


def _is_ours(entry: Path) -> bool:
    if entry.name == IGNORE:
        return entry.is_file() and entry.read_text(encoding="utf-8", errors="replace") == IGNORE_ALL
    return entry.name in OURS or entry.name.startswith(TEMPORARY) or _BUG.fullmatch(entry.name) is not None


def _remove_tree(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    _open_folder(path)
    # Folders that a notebook closed to itself are opened first; links are never followed.
    for folder, children, _files in os.walk(path):
        for child in children:
            _open_folder(Path(folder, child))
    shutil.rmtree(path)


def _open_folder(path: Path) -> None:
    mode = path.lstat().st_mode
    if stat.S_ISDIR(mode) and mode & stat.S_IRWXU != stat.S_IRWXU:
        path.chmod(mode | stat.S_IRWXU)


def _size_on_disk(path: Path) -> int:
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_blocks * 512
    files = (Path(folder, name) for folder, _children, names in os.walk(path) for name in names)
    return sum(file.lstat().st_blocks * 512 for file in files)
