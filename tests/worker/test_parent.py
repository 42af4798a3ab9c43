"""Workers that serve for longer than one message, several for one stage, as in a cluster: real processes, real bus."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from j2k_dev.model.run import Message
from j2k_dev.worker.bus import Delivery, Topics
from j2k_dev.worker.child import StageProgram
from j2k_dev.worker.events import Event, Loss, read_events
from j2k_dev.worker.exchange import Exchange
from j2k_dev.worker.parent import WorkerSpec, describe_losses
from j2k_dev.worker.sqlite_bus import SqliteBus
from j2k_dev.worker.zygote import ZygoteSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TESTS = Path(__file__).parents[1]
START = "import sys; from j2k_dev.worker.zygote import main; sys.exit(main())"
DEADLINE = 60.0
TOPICS = Topics("pipeline")
STAGE, NEXT = TOPICS.stage("load"), TOPICS.stage("fit")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc for the state of processes")


def wait_until(condition: Callable[[], bool], complaint: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, complaint
        threading.Event().wait(0.01)


@dataclass
class Site:
    """A folder with workers for one stage, their bus and their exchange."""

    root: Path
    lease: float = 15.0
    bus: SqliteBus = field(init=False)
    exchange: Exchange = field(init=False)

    def __post_init__(self) -> None:
        (self.root / "gates").mkdir()
        self.bus = SqliteBus(self.root / "bus.sqlite")
        self.bus.create_topics([STAGE, NEXT, TOPICS.results, TOPICS.dead_letters])
        self.exchange = Exchange(self.root / "exchange")

    def worker(self, action: str = "") -> WorkerSpec:
        does = {"1": action} if action else {}
        stage = {"name": "load", "cells": [1], "does": does, "notes": str(self.root / "notes")}
        program = StageProgram("fake_stage", stage, str(self.root / "exchange"))
        bus, log = str(self.root / "bus.sqlite"), str(self.root / "load.log")
        return WorkerSpec("load", "fit", program, TOPICS, bus, log, "session", once=False, lease=self.lease)

    @contextmanager
    def serving(self, *workers: WorkerSpec) -> Iterator[subprocess.Popen[bytes]]:
        path = os.pathsep.join([str(TESTS / "engine"), str(TESTS.parent)])
        env = {**os.environ, "PYTHONPATH": path, "FAKE_STAGE_GATES": str(self.root / "gates")}
        lock, log = str(self.root / "lock"), str(self.root / "zygote.log")
        command = [sys.executable, "-c", START]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as zygote:
            assert zygote.stdin is not None
            pickle.dump(ZygoteSpec("serving", workers, str(self.root / "exchange"), lock, log, ()), zygote.stdin)
            zygote.stdin.flush()
            try:
                yield zygote
            finally:
                with suppress(BrokenPipeError):
                    zygote.stdin.close()
                zygote.wait(DEADLINE)

    def gate(self) -> Path:
        path = self.root / "gates" / "cell-1"
        os.mkfifo(path)
        return path

    def arrive(self, path: Path) -> int:
        """Wait for somebody at the gate; they go on when the descriptor is closed."""
        found: list[int] = []

        def try_open() -> bool:
            with suppress(OSError):
                found.append(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
            return bool(found)

        wait_until(try_open, "nobody came")
        path.unlink()
        return found[0]

    def events(self, run: str, name: str) -> list[Event]:
        return [event for event in read_events(self.exchange.events(run)) if event.event == name]

    def executions(self) -> list[int]:
        return [json.loads(line)["attempt"] for line in (self.root / "notes").read_text().splitlines()]

    def passed_on(self, count: int) -> list[Message]:
        got: list[Delivery | None] = [self.bus.take(NEXT, "test", DEADLINE) for _ in range(count)]
        assert self.bus.take(NEXT, "test", 0) is None
        return [delivery.message for delivery in got if delivery is not None]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.bus.close()


def test_a_worker_serves_one_message_after_the_other(site: Site) -> None:
    with site.serving(site.worker()):
        for number in range(3):
            site.bus.send(STAGE, Message(f"run-{number}", "load", None, {"rows": number}))
        passed = site.passed_on(3)
    assert passed == [Message(f"run-{n}", "fit", "start>load", {"rows": n}) for n in range(3)]


def test_a_message_says_which_version_of_the_next_stage_is_meant(site: Site) -> None:
    topics = {"load": STAGE, "fit": f"{NEXT}.0123456789ab"}
    site.bus.create_topics([topics["fit"]])
    with site.serving(site.worker()):
        site.bus.send(STAGE, Message("run-1", "load", topics=topics))
        passed = site.bus.take(topics["fit"], "test", DEADLINE)
    assert passed is not None
    assert passed.message == Message("run-1", "fit", "start>load", topics=topics)


def test_two_workers_of_a_stage_work_at_the_same_time(site: Site) -> None:
    gates = site.gate()
    with site.serving(site.worker(), site.worker()):
        site.bus.send(STAGE, Message("run-1", "load"))
        first = site.arrive(gates)
        site.bus.send(STAGE, Message("run-2", "load"))
        assert site.passed_on(1)[0].run == "run-2", "the other worker overtakes"
        os.close(first)
        assert site.passed_on(1)[0].run == "run-1"


def test_a_message_that_comes_twice_is_executed_once(site: Site) -> None:
    with site.serving(site.worker()):
        for _ in range(2):
            site.bus.send(STAGE, Message("run-1", "load"))
        assert site.passed_on(2) == [Message("run-1", "fit", "start>load")] * 2
    assert site.executions() == [1]


def test_when_two_execute_the_same_message_one_result_counts_and_one_message_follows(site: Site) -> None:
    gate = site.gate()
    with site.serving(site.worker(), site.worker()):
        site.bus.send(STAGE, Message("run-1", "load"))
        slow = site.arrive(gate)
        wait_until(lambda: bool(site.events("run-1", "taken")), "nobody took it")
        (taken,) = site.events("run-1", "taken")
        assert site.bus.release(taken.worker) == 1, "somebody wrongly thinks that it died"
        assert site.passed_on(1) == [Message("run-1", "fit", "start>load")]
        os.close(slow)
        wait_until(lambda: bool(site.events("run-1", "abandoned")), "the slow one does not give up")
        assert site.passed_on(0) == []
    result = site.exchange.read("run-1", "load")
    assert result is not None
    assert result.attempt == 2
    assert site.executions() == [1, 2]


def test_a_worker_goes_on_after_a_message_that_kills_its_process_every_time(site: Site) -> None:
    with site.serving(site.worker("kill")):
        site.bus.send(STAGE, Message("run-1", "load"))
        ended = site.bus.take(TOPICS.results, "test", DEADLINE)
        letter = site.bus.take(TOPICS.dead_letters, "test", 0)
        assert ended is not None
        assert letter is not None
        assert (letter.message.run, letter.message.attempt) == ("run-1", 3)
        site.bus.send(STAGE, Message("run-1", "load"))
        site.bus.forward(ended, [])
        assert site.bus.take(TOPICS.results, "test", DEADLINE) is not None, "the failure is what the stage ended with"
    assert site.executions() == [1, 2, 3]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_when_the_zygote_goes_everybody_goes(site: Site, number: signal.Signals) -> None:
    gate = site.gate()
    with site.serving(site.worker(), site.worker()) as zygote:
        site.bus.send(STAGE, Message("run-1", "load"))
        busy = site.arrive(gate)
        children = processes_with(f"FAKE_STAGE_GATES={site.root}/gates")
        assert len(children) >= 4
        zygote.send_signal(number)
        wait_until(lambda: not processes_with(f"FAKE_STAGE_GATES={site.root}/gates"), "somebody is left")
        os.close(busy)


def test_being_asked_to_stop_uses_up_no_attempt(site: Site) -> None:
    site.bus.send(STAGE, Message("run-1", "load"))
    for _ in range(4):
        gate = site.gate()
        with site.serving(site.worker()) as zygote:
            busy = site.arrive(gate)
            zygote.send_signal(signal.SIGTERM)
            wait_until(lambda: not processes_with(f"FAKE_STAGE_GATES={site.root}/gates"), "somebody is left")
            os.close(busy)
        site.bus.release_all([STAGE])
    with site.serving(site.worker()):
        assert site.passed_on(1) == [Message("run-1", "fit", "start>load")]
    assert site.executions() == [1, 2, 3, 4, 5]


def test_a_worker_that_hangs_is_noticed_by_its_lease_and_replaced_by_the_other(site: Site) -> None:
    site.lease = 3.0
    gate = site.gate()
    with site.serving(site.worker(), site.worker()):
        site.bus.send(STAGE, Message("run-1", "load"))
        busy = site.arrive(gate)
        wait_until(lambda: bool(site.events("run-1", "started")), "nobody started")
        (started,) = site.events("run-1", "started")
        parent = int(Path(f"/proc/{started.detail['process']}/stat").read_text().rsplit(")", 1)[1].split()[1])
        os.kill(parent, signal.SIGSTOP)
        try:
            assert site.passed_on(1) == [Message("run-1", "fit", "start>load")]
        finally:
            os.kill(parent, signal.SIGCONT)
        os.close(busy)
    assert site.executions() == [1, 2]


def test_a_stopped_process_of_cells_is_ended_and_its_attempt_made_again(site: Site) -> None:
    gate = site.gate()
    with site.serving(site.worker()):
        site.bus.send(STAGE, Message("run-1", "load"))
        busy = site.arrive(gate)
        wait_until(lambda: bool(site.events("run-1", "started")), "nobody started")
        (started,) = site.events("run-1", "started")
        os.kill(started.detail["process"], signal.SIGSTOP)
        assert site.passed_on(1) == [Message("run-1", "fit", "start>load")]
        os.close(busy)
    assert site.executions() == [1, 2]
    (lost,) = [event for event in site.events("run-1", "ended") if event.detail["outcome"] == "lost"]
    assert "stopped (SIGSTOP)" in lost.detail["how"]


def processes_with(variable: str) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if variable.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return found


def test_losses_are_told_in_one_sentence() -> None:
    same = [Loss(number, "while running cell 7", "killed by SIGSEGV") for number in (1, 2, 3)]
    assert describe_losses(same) == "its process was lost 3 times while running cell 7: killed by SIGSEGV"
    assert describe_losses(same[:1]) == "its process was lost once while running cell 7: killed by SIGSEGV"
    mixed = [*same[:1], Loss(2, "while starting", "killed by SIGKILL")]
    assert describe_losses(mixed) == (
        "its process was lost 2 times, while running cell 7: killed by SIGSEGV;"
        " while starting: killed by SIGKILL (the system does that when memory runs out)"
    )
