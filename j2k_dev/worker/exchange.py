"""The exchange's publications: what each (run, stage) ended with, and which attempts were made, as files.

A thing is visible complete or not at all: written under a temporary name, flushed to the disk, then linked to its
final name, which only the first can do. This holds on a local disk as on a shared volume, whatever the bus is.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from json import JSONDecodeError, dumps, loads
from typing import TYPE_CHECKING

from j2k_dev.model.codec import CodecError, from_plain, to_plain
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.model.run import StageResult
from j2k_dev.worker.atomic import write_in_two

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_TEMPORARY = ".j2k-tmp"
_TEMPORARY_IN_STORE = ".new-"
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class DiskFull(MachineryFailed):
    """No space is left where something had to be written; nothing half-written stays."""

    @classmethod
    def at(cls, path: Path) -> DiskFull:
        """Say how much is free there."""
        folder = next(parent for parent in path.absolute().parents if parent.is_dir())
        free = shutil.disk_usage(folder).free
        return cls(f"disk full: {free} bytes free at {folder}", "Make room, then run the same command again to go on.")


class PublicationDamaged(MachineryFailed):
    """What a stage published can't be read: its run can't go on, however often it is tried."""


@dataclass(frozen=True)
class Claim:
    """One attempt, claimed before anything of it runs, so that it counts even if nothing is heard of it again.

    ``session`` is the life of the engine that made it: interrupting j2k itself uses up no attempts.
    """

    worker: str
    session: str
    time: float


class Exchange:
    """Results and attempts below one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, run: str, stage: str) -> Path:
        """Say where (run, stage) has its files."""
        return self._root / "runs" / run / stage

    def events(self, run: str) -> Path:
        """Say where the event histories of a run are."""
        return self._root / "runs" / run / "events"

    def holds(self, run: str) -> Path:
        """Say where there is a file for each point at which workers of a run are to wait (``worker.holds``)."""
        return self._root / "runs" / run / "holds"

    def inputs(self, run: str) -> Path:
        """Say where it is written what the working directory holds before a run's first stage."""
        return self._root / "runs" / run / "inputs.json"

    def publish(self, result: StageResult, meanwhile: Callable[[], object] = lambda: None) -> StageResult:
        """Publish a result unless the stage has one; return the one that counts, the first.

        ``meanwhile`` is called while half of it is written.
        """
        target = self.folder(result.run, result.stage) / "result.json"
        if place_first(target, dumps(to_plain(result)).encode(), meanwhile, durable=True):
            return result
        published = self.read(result.run, result.stage)
        assert published is not None  # placing fails only where one is
        return published

    def adopt(self, result: StageResult, run: str) -> StageResult:
        """Publish an earlier run's result, unchanged, as this run's."""
        return self.publish(replace(result, run=run))

    def read(self, run: str, stage: str) -> StageResult | None:
        """Read what (run, stage) ended with, or None while it has not."""
        path = self.folder(run, stage) / "result.json"
        try:
            return from_plain(StageResult, loads(path.read_bytes()))
        except FileNotFoundError:
            return None
        except (JSONDecodeError, UnicodeDecodeError, CodecError) as error:
            way_out = "Remove that file: the stage then runs again."
            raise PublicationDamaged(f"the publication {path} is damaged", way_out, str(error)) from error

    def claim(self, run: str, stage: str, worker: str, session: str) -> int:
        """Claim the next attempt; return its number, counted from 1."""
        folder = self.folder(run, stage)
        content = dumps(to_plain(Claim(worker, session, time.time()))).encode()
        number = len(self.claims(run, stage)) + 1
        while not place_first(folder / f"attempt-{number}.json", content):
            number += 1
        return number

    def claims(self, run: str, stage: str) -> dict[int, Claim]:
        """Read all claims of (run, stage) by number."""
        paths = {int(path.stem.removeprefix("attempt-")): path for path in self._claim_paths(run, stage)}
        return {number: _claim(paths[number]) for number in sorted(paths)}

    def excuse(self, run: str, stage: str, number: int) -> None:
        """Let an attempt not count: its worker was asked to stop, as in a rolling update."""
        place_first(self.folder(run, stage) / f"excused-{number}", b"")

    def tries(self, run: str, stage: str, session: str) -> int:
        """Count the attempts that used one up in this session."""
        excused = {int(path.name.removeprefix("excused-")) for path in self.folder(run, stage).glob("excused-*")}
        claims = self.claims(run, stage).items()
        return sum(claim.session == session for number, claim in claims if number not in excused)

    def sweep(self, run: str, *, store: bool = False) -> int:
        """Remove what killed processes left unfinished; only for whoever knows that no process works on the run.

        ``store`` looks through blobs and snapshots as well, which takes longer the more there are.
        """
        leftovers = list((self._root / "runs" / run).rglob(f"*{_TEMPORARY}"))
        for folder in ("blobs", "snapshots") if store else ():
            leftovers += (self._root / folder).rglob(f"{_TEMPORARY_IN_STORE}*")
        for path in leftovers:
            path.unlink(missing_ok=True)
        return len(leftovers)

    def _claim_paths(self, run: str, stage: str) -> Iterator[Path]:
        return self.folder(run, stage).glob("attempt-*.json")


def _claim(path: Path) -> Claim:
    """Read a claim; one that a power cut tore counts as nobody's of any session."""
    try:
        return from_plain(Claim, loads(path.read_bytes()))
    except (JSONDecodeError, UnicodeDecodeError, CodecError):
        return Claim("", "", 0.0)


def place_first(
    target: Path, content: bytes, meanwhile: Callable[[], object] = lambda: None, *, durable: bool = False
) -> bool:
    """Put a complete file at ``target`` unless one is there; return whether it is ours.

    ``durable`` waits until file and folder are on the disk. Raises DiskFull, leaving no temporary file.
    """
    if target.exists():
        return False
    with _disk_full_explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.parent / f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}{_TEMPORARY}"
        try:
            _write(temporary, content, meanwhile, durable=durable)
            placed = _link(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
        if durable:
            _flush_folder(target.parent)
        return placed


def _write(path: Path, content: bytes, meanwhile: Callable[[], object], *, durable: bool) -> None:
    with path.open("xb") as file:
        write_in_two(file, content, meanwhile)
        if durable:
            file.flush()
            os.fsync(file.fileno())


def _link(temporary: Path, target: Path) -> bool:
    try:
        os.link(temporary, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _rename_first(temporary, target)
    return True


def _rename_first(temporary: Path, target: Path) -> bool:
    """Do what a link does, on file systems that have none: look and rename under a lock."""
    descriptor = os.open(target.parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if target.exists():
            return False
        temporary.rename(target)
        return True
    finally:
        os.close(descriptor)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some file systems can't flush a folder; nothing more can be done there
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _disk_full_explained(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFull.at(target) from error
        raise MachineryFailed(f"can't write {target}: {error.strerror}", "Check the folder, then run again.") from error
