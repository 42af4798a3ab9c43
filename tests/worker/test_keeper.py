"""The keeper of workers, in processes of its own: a fork of this one would take pytest's threads' locks with it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a worker's container is Linux")

BEGIN = """
import json, os, signal, subprocess, sys, time
from j2k_dev.worker.keeper import Keeper

def work(control, questions):
    control.send({"worker": os.getpid()})
    while (line := questions.wait_for_line()) is not None:
        if "stray" in line:
            stray = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True)
            questions.send({"stray": stray.pid})
        if "exit" in line:
            return line["exit"]
    return 9

def tell(**told):
    print(json.dumps(told), flush=True)

"""


def run(code: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-c", BEGIN + code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def is_gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def test_a_worker_that_is_killed_is_replaced_by_one_that_hears_and_is_heard() -> None:
    told = run("""
keeper = Keeper(lambda: None, work)
workers = [keeper.start()]
told = [workers[0].control.wait_for_line()["worker"]]
kills = [keeper.kill()]
codes = [keeper.ended()]
kills.append(keeper.kill())
workers.append(keeper.start())
told.append(workers[1].control.wait_for_line()["worker"])
workers[1].questions.send({"exit": 5})
codes.append(keeper.ended())
over = workers[0].questions.wait_for_line() is None
tell(codes=codes, told=told, workers=[each.process for each in workers], over=over, kills=kills)
""")
    assert told["codes"] == [-9, 5]
    assert told["kills"] == [True, False], "between two workers there is none to kill"
    assert told["told"] == told["workers"]
    assert len(set(told["workers"])) == 2
    assert told["over"], "what is asked of a worker that is gone has no answer"


def test_what_a_killed_worker_leaves_is_ended_before_the_next_one_begins() -> None:
    told = run("""
keeper = Keeper(lambda: None, work)
worker = keeper.start()
worker.questions.send({"stray": True})
stray = worker.questions.wait_for_line()["stray"]
before = os.path.exists(f"/proc/{stray}")
keeper.kill()
keeper.ended()
tell(before=before, after=os.path.exists(f"/proc/{stray}"))
""")
    assert told == {"before": True, "after": False}


def test_keeper_and_worker_die_with_the_first_process() -> None:
    told = run("""
if (first := os.fork()) == 0:
    keeper = Keeper(lambda: None, work)
    worker = keeper.start()
    parent = int(open(f"/proc/{worker.process}/stat").read().rpartition(")")[2].split()[1])
    tell(processes=[parent, worker.process])
    os.kill(os.getpid(), 9)
os.waitpid(first, 0)
""")
    deadline = time.monotonic() + 30
    while not all(map(is_gone, told["processes"])):
        assert time.monotonic() < deadline, told
        threading.Event().wait(0.01)


def test_without_a_keeper_there_is_no_worker() -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{BEGIN}keeper = Keeper(lambda: 1 / 0, work)\ntell(worker=keeper.start())"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout) == {"worker": None}
    assert "ZeroDivisionError" in done.stderr


def test_a_keeper_that_is_killed_takes_its_worker_with_it() -> None:
    told = run("""
keeper = Keeper(lambda: None, work)
worker = keeper.start()
os.kill(int(open(f"/proc/{worker.process}/stat").read().rpartition(")")[2].split()[1]), 9)
tell(code=keeper.ended(), next=keeper.start())
""")
    assert told == {"code": -9, "next": None}


def test_one_that_was_asked_to_stop_before_it_began_stops() -> None:
    told = run("""
keeper = Keeper(lambda: None, work)
keeper.stop()
keeper.start()
tell(code=keeper.ended(), asked=keeper.asked_to_stop)
""")
    assert told == {"code": -15, "asked": True}
