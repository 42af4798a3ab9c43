"""A working directory has one process at a time, whatever becomes of it."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.worker.files import WorkLock

if TYPE_CHECKING:
    from pathlib import Path


def test_the_lock_keeps_a_second_process_out_and_names_the_first(work: Path) -> None:
    with WorkLock(work), pytest.raises(MachineryFailed, match=f"process {os.getpid()}"):
        WorkLock(work, wait_seconds=0.05).acquire()
    WorkLock(work, wait_seconds=0).acquire()


def test_the_lock_is_free_once_its_holder_is_killed(work: Path) -> None:
    code = "import sys; from pathlib import Path; from j2k_dev.worker.files import WorkLock\n"
    code += "WorkLock(Path(sys.argv[1])).acquire(); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code, work], stdin=-1, stdout=-1) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(MachineryFailed):
            WorkLock(work, wait_seconds=0).acquire()
        holder.kill()
        lock = WorkLock(work, wait_seconds=10)
        lock.acquire()
        lock.release()


def test_the_lock_is_taken_until_a_forked_child_that_could_still_write_has_gone(work: Path) -> None:
    context = multiprocessing.get_context("fork")
    leave = context.Event()
    lock = WorkLock(work)
    lock.acquire()
    child = context.Process(target=leave.wait, args=(30,))
    child.start()
    lock.release()
    with pytest.raises(MachineryFailed):
        WorkLock(work, wait_seconds=0).acquire()
    leave.set()
    child.join(30)
    WorkLock(work, wait_seconds=10).acquire()
