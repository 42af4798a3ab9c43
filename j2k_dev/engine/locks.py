"""Who is at work in a workspace: one command at a time changes it, and beside it runs may go on that others carry.

All are locks on files, which the system takes back when their process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shlex
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from j2k_dev.engine.workspace import unwritable
from j2k_dev.model.errors import MachineryFailed, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from j2k_dev.engine.workspace import Workspace

_POLL_SECONDS = 0.05
_REMIND_SECONDS = 30.0


@dataclass(frozen=True)
class Holder:
    """Who records or runs in a workspace just now; ``since`` in seconds since the epoch."""

    pid: int
    command: str
    since: float

    def __str__(self) -> str:
        return f"process {self.pid} (`{self.command}`)"


class WorkspaceLock:
    """The lock as the one who holds it has it."""

    def __init__(self, workspace: Workspace, descriptor: int, note: Callable[[str], None]) -> None:
        self._workspace = workspace
        self._descriptor = descriptor
        self._note = note

    @contextlib.contextmanager
    def released(self) -> Iterator[None]:
        """Let other commands work here while the block runs, and then wait for the lock again.

        Whoever interrupts the block does not wait.
        """
        self.close()
        try:
            yield
        except Exception:
            self._take()
            raise
        self._take()

    def close(self) -> None:
        """Give it away."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _take(self) -> None:
        self._descriptor = _waited_for(self._workspace, self._note)
        _sign(self._descriptor)


@contextlib.contextmanager
def lock(
    workspace: Workspace, *, wait: bool = True, note: Callable[[str], None] = lambda _text: None
) -> Iterator[WorkspaceLock]:
    """Be the one command that records, plans or changes here; a second one waits and says for whom, or is refused."""
    descriptor = _waited_for(workspace, note if wait else None)
    held = WorkspaceLock(workspace, descriptor, note)
    try:
        _sign(descriptor)
        yield held
    finally:
        held.close()


def holder(workspace: Workspace) -> Holder | None:
    """Tell who holds the workspace's lock, or None where nobody does."""
    return _holder_of(workspace.lock_file)


@contextlib.contextmanager
def running(workspace: Workspace, run: str) -> Iterator[None]:
    """Be the one command that carries a run."""
    path = _run_lock(workspace, run)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = _try(path, workspace.root)
    if descriptor is None:
        raise Refused(f"{_signature(path)} carries the run {run}", "wait until it ends, or stop it")
    try:
        _sign(descriptor)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def run_holder(workspace: Workspace, run: str) -> Holder | None:
    """Tell who carries a run, or None where nobody does."""
    return _holder_of(_run_lock(workspace, run))


def runs_at_work(workspace: Workspace) -> dict[str, Holder]:
    """Tell which runs are carried, and by whom."""
    found = {path.parent.name: _holder_of(path) for path in workspace.runs.glob("*/lock")}
    return {run: carrier for run, carrier in found.items() if carrier is not None}


def refuse_while_runs_go_on(workspace: Workspace) -> None:
    """Refuse to take anything away from under a run."""
    for run, carrier in runs_at_work(workspace).items():
        raise Refused(f"the run {run} goes on: {carrier}", "wait until it ends, or stop it")


@contextlib.contextmanager
def in_use(path: Path, content: str, note: Callable[[str], None]) -> Iterator[None]:
    """Share something that is one way at a time, and named by ``content``, with all who use it that way.

    Who needs it another way waits until nobody uses it. Only for whoever holds the workspace's lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if path.read_text(encoding="utf-8") != content:
            _poll(lambda: _locked(descriptor), note, lambda: "waiting for runs whose pods are not the same ones")
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, content.encode(), 0)
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def _run_lock(workspace: Workspace, run: str) -> Path:
    return workspace.run(run).root / "lock"


def _holder_of(path: Path) -> Holder | None:
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return _signature(path)
    return None


def _waited_for(workspace: Workspace, note: Callable[[str], None] | None) -> int:
    path = workspace.lock_file
    taken: list[int] = []

    def take() -> bool:
        descriptor = _try(path, workspace.root)
        taken.extend([] if descriptor is None else [descriptor])
        if descriptor is None and note is None:
            raise Refused(f"{_signature(path)} is at work in {workspace.root}", "wait until it ends, or stop it")
        return descriptor is not None

    _poll(take, note or (lambda _text: None), lambda: f"waiting for {_signature(path)}, at work in {workspace.root}")
    return taken[0]


def _poll(done: Callable[[], bool], note: Callable[[str], None], told: Callable[[], str]) -> None:
    """Wait for a lock for as long as it takes, and say now and then for whom."""
    reminder = 0.0
    while not done():
        if time.monotonic() >= reminder:
            note(told())
            reminder = time.monotonic() + _REMIND_SECONDS
        threading.Event().wait(_POLL_SECONDS)


def _try(path: Path, root: Path) -> int | None:
    """Take a lock, or return None; a lock on a file that was removed meanwhile counts for nothing."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise unwritable(error, root) from error
    try:
        if _locked(descriptor) and os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except FileNotFoundError:
        pass
    except OSError as error:
        os.close(descriptor)
        raise MachineryFailed(
            f"{root} is on a disk that has no file locks: {error.strerror}",
            way_out="keep the workspace on a local disk: --workspace DIR",
        ) from error
    os.close(descriptor)
    return None


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(descriptor: int) -> None:
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    signature = json.dumps({"pid": os.getpid(), "command": command, "since": time.time()}).encode()
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, signature, 0)


def _signature(path: Path) -> Holder:
    try:
        told = json.loads(path.read_bytes())
        return Holder(int(told["pid"]), str(told["command"]), float(told["since"]))
    except (OSError, ValueError, TypeError, KeyError):
        return Holder(0, "j2k, just starting", time.time())
