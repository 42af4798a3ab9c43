"""What programs use, seen from outside."""

import os
import subprocess
import sys

import pytest

from j2k_dev.worker import usage

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what other processes use is known on Linux only")

BUSY = """
import subprocess, sys, time
held = bytearray(50_000_000)
while time.process_time() < 0.2:
    pass
print(flush=True)
sys.stdin.read()
"""
PARENT = f"import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', {BUSY!r}]).returncode)"


def test_memory_and_time_of_a_program_count_those_that_it_started() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        parent.stdout.readline()
        assert usage.peak_bytes(parent.pid) > 50_000_000
        assert usage.cpu_seconds(parent.pid) >= 0.2


def test_a_peak_can_be_forgotten() -> None:
    held = bytearray(50_000_000)
    before = usage.peak_bytes(os.getpid())
    del held
    usage.reset_peaks(os.getpid())
    assert usage.peak_bytes(os.getpid()) < before


def test_of_a_process_that_is_gone_nothing_is_known() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert (usage.peak_bytes(gone.pid), usage.cpu_seconds(gone.pid)) == (0, 0.0)
