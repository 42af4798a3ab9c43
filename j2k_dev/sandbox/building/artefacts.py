"""Where built artefacts are kept: each complete or absent, one builder at a time, and how long steps took."""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.worker.atomic import publish

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from j2k_dev.sandbox.progress import Progress

_KEPT = 2
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class ArtefactStore:
    """Artefacts by name and key under one folder: ``ROOT/NAME/KEY/``."""

    root: Path

    def folder(self, name: str, key: str) -> Path:
        """Name the folder of an artefact, there or not."""
        return self.root / name / key

    def has(self, name: str, key: str) -> bool:
        """Say whether an artefact is complete."""
        return self.folder(name, key).is_dir()

    def log(self, name: str) -> Path:
        """Name the file that keeps what the programs said that built an artefact."""
        return self.root / "logs" / f"{name}.log"

    @contextlib.contextmanager
    def locked(self, name: str, progress: Progress, stop: threading.Event) -> Iterator[None]:
        """Keep other builders of this artefact out; wait for the one that is in, and say so.

        Raises MachineryFailed when ``stop`` is set meanwhile.
        """
        home = self.root / name
        home.mkdir(parents=True, exist_ok=True)
        with (home / ".lock").open("a") as lock:
            if not _taken(lock):
                progress.note(f"another j2k is building {name}; waiting for it")
            while not _taken(lock):
                if stop.wait(_POLL_SECONDS):
                    raise MachineryFailed(f"stopped while waiting for {name}", "run the same command again")
            yield

    @contextlib.contextmanager
    def building(self, name: str, key: str) -> Iterator[Path]:
        """Give an empty folder to build in; it becomes the artefact when the block ends well (under its lock).

        Else it stays until the next try, so that a command that failed in it can be tried by hand.
        """
        home = self.root / name
        for left_over in home.glob(".building-*"):
            shutil.rmtree(left_over, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=".building-", dir=home))
        yield folder
        folder.chmod(0o755)
        folder.rename(self.folder(name, key))
        self._forget_old(name)

    def _forget_old(self, name: str) -> None:
        """Keep the newest few of an artefact: a recipe that changes leaves the old ones behind."""
        complete = [path for path in (self.root / name).iterdir() if not path.name.startswith(".")]
        for old in sorted(complete, key=lambda path: path.stat().st_mtime, reverse=True)[_KEPT:]:
            shutil.rmtree(old, ignore_errors=True)

    @contextlib.contextmanager
    def timed(self, title: str, expected: str, progress: Progress) -> Iterator[None]:
        """Show a step with how long it took last time (else ``expected``), and remember how long it takes."""
        last = self._seconds().get(title)
        told = f"{last:.0f} s last time" if last is not None else expected
        with progress.step(f"{title} ({told})" if told else title):
            start = time.monotonic()
            yield
        taken = round(time.monotonic() - start, 1)
        with (self.root / ".seconds.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            publish(self._timings, json.dumps({**self._seconds(), title: taken}, indent=1).encode())

    @property
    def _timings(self) -> Path:
        return self.root / "seconds.json"

    def _seconds(self) -> dict[str, float]:
        try:
            seconds: dict[str, float] = json.loads(self._timings.read_bytes())
        except (OSError, ValueError):
            return {}
        return seconds


def _taken(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
