"""What is no good in a workspace: half-written by commands that were killed, or damaged since it was written."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from j2k_dev.engine.workspace import Workspace

_BEING_MADE_SECONDS = 5.0


def sweep(workspace: Workspace) -> None:
    """Remove them; only for whoever holds the workspace's lock."""
    for path in _temporary(workspace):
        path.unlink(missing_ok=True)


def _temporary(workspace: Workspace) -> Iterator[Path]:
    # Two commands may make a workspace at the same time: only then somebody without the lock writes in it.
    if time.time() - workspace.marker.stat().st_mtime > _BEING_MADE_SECONDS:
        yield from workspace.root.glob(".tmp-*")
    yield from workspace.recordings.glob("*/.tmp-*")
    yield from workspace.runs.glob("*/.tmp-*")
    yield from (workspace.exchange / "known").glob(".tmp-*")


def remove_damaged(workspace: Workspace) -> int:
    """Remove blobs and snapshots that are not what their names say, so that they are made anew; return how many."""
    named = [*workspace.exchange.glob("blobs/??/*"), *workspace.exchange.glob("snapshots/*")]
    damaged = [path for path in named if hash_of(path) != path.name]
    for path in damaged:
        path.unlink(missing_ok=True)
    return len(damaged)


def hash_of(path: Path) -> str:
    """Return the hash of a file's content, by which blobs and snapshots are named."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
