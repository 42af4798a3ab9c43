"""Processes of our own that do something at once, or are killed in the middle of it."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import j2k_dev

SECONDS = 60
_FORK = multiprocessing.get_context("fork")
_OURS = str(Path(j2k_dev.__file__).parent)


def at_once(work: Callable[[int], None], processes: int = 4) -> None:
    """Do the work in several processes that begin together; each gets its number."""
    begin = _FORK.Barrier(processes)

    def wait_and_work(number: int) -> None:
        begin.wait(SECONDS)
        work(number)

    started = [_FORK.Process(target=wait_and_work, args=(number,)) for number in range(processes)]
    for process in started:
        process.start()
    for process in started:
        process.join(SECONDS)
    assert [process.exitcode for process in started] == [0] * processes


def killed_at_each_line(work: Callable[[int], object], look: Callable[[int], None]) -> int:
    """Do the work again and again, each time killed (SIGKILL) one line of ours later, and look after each kill.

    Both get the number of the line; returns how often it was killed before it came through.
    """
    for line in count(1):
        process = _FORK.Process(target=_work_until, args=(line, work))
        process.start()
        process.join(SECONDS)
        if process.exitcode == 0:
            return line - 1
        assert process.exitcode == -signal.SIGKILL
        look(line)
    raise AssertionError


def _work_until(line: int, work: Callable[[int], object]) -> None:
    left = line

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith(_OURS):
            return None
        left -= event == "line"
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    work(line)
    sys.settrace(None)
