"""Processes that end with those that started them, leaving nobody behind: what fork, signals and /proc are used for.

Linux gives what is needed for it to hold always (a signal at the parent's death, orphans handed to the worker);
elsewhere process groups do most of it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Collection

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def die_with(parent: int) -> None:
    """Have this process killed when ``parent``, which forked it, dies; at once if it is dead already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Make this process the parent of what its descendants leave behind, so that it can end them (Linux)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def is_over(child: int) -> bool:
    """Say whether a child of this process has ended, and leave it to be collected."""
    try:
        return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def is_stopped(process: int) -> bool:
    """Say whether a process is stopped by a signal, as far as the system tells (Linux)."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False


def end_family(child: int) -> str:
    """Kill a child with its process group, collect it, and say how it had ended."""
    # Until the child is collected, nobody else can get its number: the signal reaches no stranger.
    end_group(child)
    try:
        return how_it_ended(os.waitpid(child, 0)[1])
    except ChildProcessError:
        return "ended unseen"


def end_group(leader: int) -> None:
    """Kill a process group and its leader, whether or not the leader made the group yet."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
    with suppress(ProcessLookupError, PermissionError):
        os.kill(leader, signal.SIGKILL)


def kill_if_alone(child: int) -> bool:
    """Kill this process's only child without waiting for its end, if it has no children itself; else do nothing."""
    if children_of(os.getpid()) != {child} or children_of(child):
        return False
    end_group(child)
    return True


def end_as(code: int) -> NoReturn:
    """End this process as another one ended: with its exit status, or killed by the same signal (below zero)."""
    with suppress(OSError, ValueError):  # SIGKILL takes no handler and needs none
        signal.signal(-code, signal.SIG_DFL)
    if code < 0:
        os.kill(os.getpid(), -code)
    os._exit(code if code >= 0 else 1)


def end_strays(keep: Collection[int]) -> int:
    """Kill and collect every child of this process but ``keep``, their own children too; return how many."""
    ended = 0
    while strays := children_of(os.getpid()) - set(keep):
        for stray in strays:
            end_family(stray)
        ended += len(strays)
    return ended


def children_of(process: int) -> set[int]:
    """List the children of a process, as far as the system tells (Linux)."""
    children: set[int] = set()
    for tasks in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):  # a thread that has just ended
            children.update(map(int, tasks.read_text().split()))
    return children


def how_it_ended(status: int) -> str:
    """Put a wait status into words."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exited with status {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def point_output_at(log: Path) -> None:
    """Append this process's standard output and error to a file; standard input is empty from here on."""
    log.parent.mkdir(parents=True, exist_ok=True)
    target = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, own in ((nothing, 0), (target, 1), (target, 2)):
        os.dup2(source, own)
    os.close(target)
    os.close(nothing)


def log(text: str) -> None:
    """Write to this process's log; a full disk costs the text and nothing else."""
    with suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()


def close_all(descriptors: Collection[int]) -> None:
    """Close descriptors that a fork brought along and that belong to its parent."""
    for descriptor in descriptors:
        with suppress(OSError):
            os.close(descriptor)


class ChildSignals:
    """Makes ``descriptor`` readable when a child of this process ends, or when it is asked to stop."""

    def __init__(self) -> None:
        self.stop = False
        self.descriptor, self._bell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) if sys.platform == "linux" else _pipe()
        signal.set_wakeup_fd(self._bell, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.signal(signal.SIGTERM, self._asked_to_stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def drain(self) -> None:
        """Forget the signals seen so far."""
        with suppress(BlockingIOError):
            os.read(self.descriptor, 4096)

    @property
    def descriptors(self) -> tuple[int, int]:
        """Name what a forked process has to close."""
        return self.descriptor, self._bell

    @staticmethod
    def reset() -> None:
        """Give a forked process the signal handlers that Python starts with."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def _asked_to_stop(self, _number: int, _frame: object) -> None:
        self.stop = True


def _pipe() -> tuple[int, int]:
    pair = os.pipe()
    for descriptor in pair:
        os.set_blocking(descriptor, False)
    return pair


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
