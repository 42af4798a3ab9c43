"""What faults see of processes: real ones of this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from j2k_dev.scenario.faults.processes import OwnProcess
from j2k_dev.scenario.waiting import within

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_a_process_that_is_killed_is_gone_before_anybody_waits_for_it(child: subprocess.Popen[bytes]) -> None:
    process = OwnProcess.of(child.pid)
    assert process.state() == "running"
    process.signal(signal.SIGSTOP)
    assert within(5, lambda: process.state() == "stopped")
    process.signal(signal.SIGKILL)
    assert within(5, lambda: process.state() == "gone")
    child.wait()
    assert process.state() == "gone"
    process.signal(signal.SIGKILL)  # one that is gone hears nothing


def test_another_process_with_the_same_number_is_not_taken_for_it(child: subprocess.Popen[bytes]) -> None:
    assert replace(OwnProcess.of(child.pid), born="1").state() == "gone"


def test_a_process_may_go_while_it_is_looked_at() -> None:
    """Its number and its end are read at once: a process that goes in between was read as one that never was."""
    states: list[str] = []
    for _ in range(50):
        number = os.posix_spawn(sys.executable, [sys.executable, "-S", "-E", "-c", "0"], os.environ)
        process = OwnProcess.of(number)
        reaper = threading.Thread(target=os.waitpid, args=(number, 0))
        reaper.start()
        while (state := process.state()) != "gone":
            states.append(state)
        reaper.join()
    assert "running" in states
