"""``sandbox.json``: what a sandbox told of itself when it came up, and the lock of who changes it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from j2k_dev.engine.locks import lock
from j2k_dev.engine.workspace import Workspace, read_json, write_json
from j2k_dev.model.codec import CodecError, from_plain, to_plain
from j2k_dev.sandbox.model import SandboxState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from j2k_dev.sandbox.model import Sandbox


def read_state(sandbox: Sandbox) -> SandboxState | None:
    """Read what the sandbox told last; None where that is lost, damaged, or another version's."""
    try:
        return from_plain(SandboxState, read_json(sandbox.state))
    except CodecError:
        return None


def write_state(sandbox: Sandbox, state: SandboxState) -> None:
    """Keep what the sandbox tells of itself."""
    write_json(sandbox.state, to_plain(state))


@contextlib.contextmanager
def sole_use(sandbox: Sandbox, note: Callable[[str], None]) -> Iterator[None]:
    """Be the one command that changes this workspace's sandboxes; a second one waits and says for whom."""
    place = Workspace(sandbox.root.parent)
    place.root.mkdir(parents=True, exist_ok=True)
    with lock(place, note=note):
        yield


@contextlib.contextmanager
def kinds_own_lock(sandbox: Sandbox) -> Iterator[int | None]:
    """Take the lock that kind holds while it makes a cluster; None where one that outlived its j2k has it."""
    sandbox.root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(sandbox.root / "kind.lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        yield descriptor if _taken(descriptor) else None
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
