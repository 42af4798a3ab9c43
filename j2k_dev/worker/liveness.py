"""What is alive in a process beside its namespace and can't go to another one: tasks, threads, programs."""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from j2k_dev.worker.shell import NotebookShell


def alive(shell: NotebookShell) -> tuple[str, ...]:
    """Name what is still at work: pending asyncio tasks, threads that run the notebook's code, child processes."""
    return (*_tasks(shell.loop), *_threads(), *_children())


def _tasks(loop: asyncio.AbstractEventLoop) -> list[str]:
    return [f"the asyncio task {task.get_name()} is not finished" for task in asyncio.all_tasks(loop)]


def _threads() -> list[str]:
    frames = sys._current_frames()  # noqa: SLF001 - the only way to see what a thread is doing
    others = (thread for thread in threading.enumerate() if thread is not threading.current_thread())
    return [
        f"the thread {thread.name!r} still runs the notebook's code"
        for thread in others
        if thread.ident in frames and _runs_notebook(frames[thread.ident])
    ]


def _runs_notebook(frame: Any) -> bool:
    namespace = vars(sys.modules["__main__"])
    while frame is not None:
        if frame.f_globals is namespace:
            return True
        frame = frame.f_back
    return False


def _children() -> list[str]:
    """List living child processes; on Linux only, elsewhere a Popen object in the namespace still tells."""
    found = []
    for path in Path("/proc/self/task").glob("*/children"):
        try:
            pids = path.read_text().split()
        except OSError:
            continue
        found += [f"the program {_command(pid)} (process {pid}) is still running" for pid in pids if _is_alive(pid)]
    return found


def _is_alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _command(pid: str) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "?"
    return b" ".join(words).decode("utf-8", "replace").strip()[:80] or "?"


def peak_bytes() -> int:
    """Return the peak resident memory since the last ``reset_peak``, or since the start where that can't be reset."""
    try:
        status = Path("/proc/self/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration):
        import resource  # noqa: PLC0415 - only where there is no /proc

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def reset_peak() -> None:
    """Make ``peak_bytes`` count from now on (Linux: 5 in clear_refs)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return
