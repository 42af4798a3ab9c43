"""Working directories that hold whatever a notebook may leave there, and what can be seen of them."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from j2k_dev.worker.blobs import BlobStore

if TYPE_CHECKING:
    from pathlib import Path


class Blobs(BlobStore):
    """The real store, counting what it is asked to copy."""

    copies = 0

    def put_file(self, path: Path) -> str:
        self.copies += 1
        return super().put_file(path)


def picture(folder: Path) -> dict[str, tuple[object, ...]]:
    """Say everything about a folder that a notebook can see."""
    seen: dict[str, tuple[object, ...]] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        name = str(path.relative_to(folder))
        mode = stat.S_IMODE(status.st_mode)
        if path.is_symlink():
            seen[name] = ("link", str(path.readlink()))
        elif path.is_dir():
            seen[name] = ("dir", mode, status.st_mtime_ns)
        else:
            seen[name] = ("file", path.read_bytes(), mode, status.st_mtime_ns, status.st_nlink)
    return seen


def wreck(work: Path) -> None:
    """Do to a folder what another stage might."""
    for path in sorted(work.rglob("*")):
        if path.is_symlink():
            path.unlink()
            path.mkdir()
        elif path.is_file():
            path.write_bytes(b"other " + path.read_bytes())
            path.chmod(0o600)
    (work / "extra" / "deep").mkdir(parents=True)
    (work / "extra" / "deep" / "file").write_text("remove me")
    (work / "extra" / "outside").symlink_to(work.parent)


def rich_folder(work: Path) -> None:
    (work / "data" / "empty").mkdir(parents=True)
    (work / "data" / "a.csv").write_text("1,2\n")
    (work / "data" / "a.csv").chmod(0o640)
    os.utime(work / "data" / "a.csv", ns=(1, 1_234_567_890_123_456_789))
    (work / "run.sh").write_text("#!/bin/sh\n")
    (work / "run.sh").chmod(0o755)
    (work / "zero").write_bytes(b"")
    (work / "link").symlink_to("data/a.csv")
    (work / "dangling").symlink_to("nowhere")
    (work / "first").write_text("shared")
    (work / "second").hardlink_to(work / "first")
    (work / "locked").mkdir()
    (work / "locked" / "inside").write_text("x")
    (work / "locked").chmod(0o555)
