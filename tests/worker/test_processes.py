"""Ending processes: all that were meant, nobody else, and what is said about how they ended."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from j2k_dev.worker import processes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="parents' deaths and orphans are seen to on Linux")

SURVIVE = "import signal; signal.pause()"


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    return done.stdout


def is_gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def wait_until_gone(process: int) -> None:
    deadline = time.monotonic() + 30
    while not is_gone(process):
        assert time.monotonic() < deadline, f"process {process} is still there"
        threading.Event().wait(0.01)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import os; os._exit(7)", "exited with status 7"),
        ("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL"),
        ("import os; os.kill(os.getpid(), 11)", "killed by SIGSEGV"),
        ("import os; os.kill(os.getpid(), 40)", "killed by signal 40"),
    ],
)
def test_how_a_process_ended_is_put_into_words(code: str, words: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", code])
    status = os.waitpid(process.pid, 0)[1]
    process.returncode = 0
    assert processes.how_it_ended(status) == words


def test_a_family_ends_with_its_leader() -> None:
    code = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {SURVIVE!r}]).pid, flush=True)"
    leader = subprocess.Popen(
        [sys.executable, "-c", f"{code}\n{SURVIVE}"], stdout=subprocess.PIPE, start_new_session=True
    )
    assert leader.stdout is not None
    member = int(leader.stdout.readline())
    assert not processes.is_over(leader.pid)
    assert processes.end_family(leader.pid) == "killed by SIGKILL"
    wait_until_gone(member)
    leader.returncode = 0
    leader.stdout.close()


def test_ending_what_has_ended_is_no_error() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert processes.is_over(process.pid)
    assert processes.end_family(process.pid) == "ended unseen"


def test_orphans_are_adopted_and_ended_whatever_session_they_are_in() -> None:
    code = f"""
import os, subprocess, sys
from j2k_dev.worker import processes
processes.adopt_orphans()
command = "[sys.executable, '-c', {SURVIVE!r}], start_new_session=True, stdout=subprocess.DEVNULL"
start = f"import subprocess, sys; print(subprocess.Popen({{command}}).pid)"
orphan = int(subprocess.run([sys.executable, "-c", start], stdout=subprocess.PIPE, check=True).stdout)
mine = subprocess.Popen([sys.executable, "-c", {SURVIVE!r}])
assert processes.children_of(os.getpid()) == {{orphan, mine.pid}}
assert processes.end_strays(keep=[mine.pid]) == 1
assert processes.children_of(os.getpid()) == {{mine.pid}}
mine.kill()
mine.wait()
print(orphan)
"""
    assert is_gone(int(run(code)))


def test_a_process_dies_with_the_one_that_forked_it() -> None:
    code = """
import os, signal
from j2k_dev.worker import processes
parent = os.getpid()
reader, writer = os.pipe()
child = os.fork()
if child == 0:
    processes.die_with(parent)
    os.write(writer, b"!")
    signal.pause()
os.read(reader, 1)
print(child, flush=True)
os.kill(parent, signal.SIGKILL)
"""
    wait_until_gone(int(run(code)))


def test_a_process_whose_parent_is_dead_already_does_not_begin() -> None:
    code = """
import os
from j2k_dev.worker import processes
child = os.fork()
if child == 0:
    processes.die_with(os.getpid())
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert run(code) == "1\n"


def test_only_a_process_without_children_is_killed_without_waiting() -> None:
    code = f"""
import os, subprocess, sys
from j2k_dev.worker import processes
alone = subprocess.Popen([sys.executable, "-c", {SURVIVE!r}], start_new_session=True)
assert processes.kill_if_alone(alone.pid)
assert alone.wait() == -9
code = "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {SURVIVE!r}]); print(flush=True); p.wait()"
family = subprocess.Popen([sys.executable, "-c", code], start_new_session=True, stdout=subprocess.PIPE)
family.stdout.readline()
assert not processes.kill_if_alone(family.pid)
assert family.poll() is None
processes.end_family(family.pid)
family.returncode = 0
family.stdout.close()
print("done")
"""
    assert run(code) == "done\n"


def test_the_end_of_a_child_and_a_request_to_stop_are_both_noticed_while_waiting() -> None:
    code = """
import os, select, signal
from j2k_dev.worker.processes import ChildSignals
signals = ChildSignals()
child = os.fork()
if child == 0:
    os._exit(0)
assert select.select([signals.descriptor], [], [], 30)[0]
os.waitpid(child, 0)
signals.drain()
assert not signals.stop
assert not select.select([signals.descriptor], [], [], 0)[0]
os.kill(os.getpid(), signal.SIGTERM)
assert select.select([signals.descriptor], [], [], 30)[0]
assert signals.stop
ChildSignals.reset()
assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
print("done")
"""
    assert run(code) == "done\n"


def test_output_goes_to_the_log_from_the_moment_it_is_pointed_there(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "stage.log"
    code = f"""
import os, sys
from pathlib import Path
from j2k_dev.worker import processes
processes.point_output_at(Path({str(log)!r}))
print("out", flush=True)
os.system("echo from a program >&2")
assert sys.stdin.read() == ""
"""
    assert run(code) == ""
    assert log.read_text() == "out\nfrom a program\n"
