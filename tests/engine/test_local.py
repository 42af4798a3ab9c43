"""The local engine with real processes and real kills: every run ends once, with one publication per stage."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from j2k_dev.engine.local import LocalEngine, Places, RunRequest, attempts
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.model.pipeline import Pipeline, Stage
from j2k_dev.model.run import Message, StageResult
from j2k_dev.worker.bus import Topics
from j2k_dev.worker.exchange import Exchange
from j2k_dev.worker.sqlite_bus import SqliteBus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from j2k_dev.worker.events import Event

HERE = Path(__file__).parent
DEADLINE = 60.0
START = "import sys, importlib; sys.exit(importlib.import_module(sys.argv[1]).main(sys.argv[2:]))"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc to see that nothing is left behind")


@dataclass(frozen=True)
class Start:
    """Starts our modules in this interpreter, the fake stage beside them."""

    gates: Path

    def argv(self, module: str, *arguments: str) -> list[str]:
        return [sys.executable, "-c", START, module, *arguments]

    def env(self) -> dict[str, str]:
        path = os.pathsep.join([str(HERE), str(HERE.parents[1])])
        return {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "5", "FAKE_STAGE_GATES": str(self.gates)}


@dataclass
class Lab:
    """A pipeline of fake stages in a folder of its own, and everything a test wants to know about it."""

    root: Path
    stages: int = 3
    does: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    told: list[Event] = field(default_factory=list)
    _news: threading.Condition = field(default_factory=threading.Condition)

    @property
    def names(self) -> list[str]:
        return [f"stage-{number}" for number in range(1, self.stages + 1)]

    @property
    def places(self) -> Places:
        root = self.root
        return Places(root / "bus.sqlite", root / "exchange", root / "work", root / "runs" / "run-1" / "logs")

    @property
    def exchange(self) -> Exchange:
        return Exchange(self.places.exchange)

    def request(self, **changes: Any) -> RunRequest:
        stages = tuple(Stage(name, (2 * i, 2 * i + 1), (), (), 0.0, 0) for i, name in enumerate(self.names))
        specs = {
            stage.name: {"name": stage.name, "cells": stage.cells, "does": self.does, "notes": str(self.root / "notes")}
            for stage in stages
        }
        for name, option in self.options.items():
            specs[name].update(option)
        pipeline = Pipeline("notebook", "recording", "auto", stages, ())
        fake = {"stage_module": "fake_stage", "preload": ()}
        return RunRequest("run-1", pipeline, specs, self.places, **{"parameters": {"rows": 5}, **fake, **changes})

    def run(self, **changes: Any) -> tuple[StageResult, ...]:
        for folder in (self.places.work, self.root / "gates"):
            folder.mkdir(exist_ok=True)
        return LocalEngine(Start(self.root / "gates")).run(self.request(**changes), self._hear)

    @contextmanager
    def command(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run in a process of its own, as the command does."""
        with subprocess.Popen([sys.executable, __file__, self.root], env=Start(self.root / "gates").env()) as process:
            try:
                yield process
            finally:
                process.kill()

    def _hear(self, event: Event) -> None:
        with self._news:
            self.told.append(event)
            self._news.notify_all()

    def wait_for(self, event: str, stage: str, attempt: int | None = None) -> Event:
        """Wait until the engine has told of an event."""

        def found() -> Event | None:
            fits = (e for e in self.told if e.event == event and e.stage == stage and attempt in {None, e.attempt})
            return next(fits, None)

        with self._news:
            assert self._news.wait_for(found, DEADLINE), f"no {event} of {stage} in {self.told}"
        happened = found()
        assert happened is not None
        return happened

    @contextmanager
    def stopped_at(self, gate: str) -> Iterator[None]:
        """Stop whoever comes to a gate, until the block is left."""
        path = self.root / "gates" / gate
        descriptor = open_when_read(path)
        path.unlink()
        try:
            yield
        finally:
            os.close(descriptor)

    def put_gates(self, *names: str) -> None:
        (self.root / "gates").mkdir(exist_ok=True)
        for name in names:
            os.mkfifo(self.root / "gates" / name)

    def notes(self) -> list[dict[str, Any]]:
        path = self.root / "notes"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def executions(self) -> list[tuple[str, int]]:
        return [(note["stage"], note["attempt"]) for note in self.notes()]

    def processes(self) -> dict[int, int]:
        """Find the processes of this lab: number to parent's number."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if f"FAKE_STAGE_GATES={self.root}/".encode() in (folder / "environ").read_bytes():
                    found[int(folder.name)] = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
        return found

    def zygote(self) -> int:
        """Find the zygote: the one whose parent is none of this lab's."""
        found = self.processes()
        (zygote,) = [process for process, parent in found.items() if parent not in found]
        return zygote

    def parent_of(self, process: int) -> int:
        return self.processes()[process]

    def child(self, stage: str, attempt: int = 1) -> int:
        """Find the process that runs the cells."""
        process = self.wait_for("started", stage, attempt).detail["process"]
        assert isinstance(process, int)
        return process

    def wait_for_end_of(self, process: int) -> None:
        wait_until(lambda: process not in self.processes(), lambda: f"process {process} does not end")

    def check_nothing_is_left_running(self) -> None:
        """Nobody is alive."""
        wait_until(lambda: not self.processes(), lambda: f"left behind: {self.processes()}")

    def check_nothing_is_left(self) -> None:
        """Nobody is alive, nothing unfinished lies about."""
        self.check_nothing_is_left_running()
        left = [path for path in self.root.rglob("*") if "tmp" in path.name or "bells" in path.name]
        assert left == []
        bus = SqliteBus(self.places.bus)
        topics = Topics("run-1")
        assert bus.waiting([*map(topics.stage, self.names), topics.results, topics.dead_letters]) == 0
        bus.close()

    def check_chain(self, results: tuple[StageResult, ...]) -> None:
        """Every stage got what the one before it published, and published once."""
        assert [result.stage for result in results] == self.names
        assert [result.failure for result in results] == [None] * self.stages
        chain = "start"
        for result in results:
            chain += f">{result.stage}"
            assert result.snapshot == chain
            assert self.exchange.read("run-1", result.stage) == result
        self.check_nothing_is_left()


def wait_until(condition: Callable[[], bool], complaint: Callable[[], str]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, complaint()
        threading.Event().wait(0.01)


def open_when_read(path: Path) -> int:
    """Open a named pipe for writing once somebody reads it."""
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            assert time.monotonic() < deadline, f"nobody came to {path.name}"
            threading.Event().wait(0.005)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    for process in made.processes():
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


@contextmanager
def running(lab: Lab, *gates: str, **changes: Any) -> Iterator[Future[tuple[StageResult, ...]]]:
    """Run in the background, with gates in place from the start."""
    lab.put_gates(*gates)
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(lab.run, **changes)


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)


# --- a run that nothing happens to --------------------------------------------------------------------------------


def test_a_run_passes_the_state_from_stage_to_stage(lab: Lab) -> None:
    lab.check_chain(lab.run())
    assert lab.executions() == [("stage-1", 1), ("stage-2", 1), ("stage-3", 1)]
    assert [note["snapshot"] for note in lab.notes()] == [None, "start>stage-1", "start>stage-1>stage-2"]


def test_every_stage_runs_in_a_process_of_its_own_with_the_same_hash_seed(lab: Lab) -> None:
    lab.run()
    assert len({note["pid"] for note in lab.notes()}) == 3
    assert len({note["hash"] for note in lab.notes()}) == 1


def test_parameters_reach_every_stage(lab: Lab) -> None:
    lab.run()
    assert [note["parameters"] for note in lab.notes()] == [{"rows": 5}] * 3


def test_events_are_told_as_they_happen_and_kept(lab: Lab) -> None:
    lab.run()
    of_stage_2 = [event.event for event in lab.told if event.stage == "stage-2" and event.event != "ready"]
    expected = ["taken", "started", "restored"] + ["cell-started", "cell-finished"] * 2 + ["ended", "forwarded"]
    assert of_stage_2 == expected
    (attempt,) = attempts(lab.places.exchange, "run-1", "stage-2")
    assert (attempt.number, attempt.outcome) == (1, "published")
    assert attempt.started < attempt.ended


def test_a_finished_run_is_not_run_again(lab: Lab) -> None:
    first = lab.run()
    assert lab.run() == first
    assert len(lab.executions()) == 3


def test_results_that_are_there_already_are_kept(lab: Lab) -> None:
    lab.run()
    earlier = lab.exchange.read("run-1", "stage-1")
    assert earlier is not None
    lab.exchange.adopt(earlier, "run-2")
    results = LocalEngine(Start(lab.root / "gates")).run(replace(lab.request(), run="run-2"))
    assert [result.run for result in results] == ["run-2"] * 3
    assert [stage for stage, _ in lab.executions()] == [*lab.names, "stage-2", "stage-3"]


def test_workers_write_logs_where_the_engine_says(lab: Lab) -> None:
    lab.run()
    assert sorted(path.name for path in lab.places.logs.iterdir()) == ["engine.log", *(f"{n}.log" for n in lab.names)]
    assert "cell-finished {'cell': 2}" in (lab.places.logs / "stage-2.log").read_text()


# --- what a notebook does to itself -------------------------------------------------------------------------------


def test_a_cell_that_raises_ends_the_run_at_once(lab: Lab) -> None:
    lab.does["2"] = "raise"
    results = lab.run()
    assert [result.stage for result in results] == ["stage-1", "stage-2"]
    assert results[1].error is not None
    assert results[1].error.cell == 2
    assert lab.executions() == [("stage-1", 1), ("stage-2", 1)], "the user's errors are not tried again"
    lab.check_nothing_is_left()


def test_a_state_that_can_not_be_handed_over_is_refused(lab: Lab) -> None:
    lab.options["stage-2"] = {"refuses": "`lines` is a generator"}
    results = lab.run()
    assert (results[-1].failure, results[-1].refused) == ("`lines` is a generator", True)
    lab.check_nothing_is_left()


@pytest.mark.parametrize(
    ("action", "how"),
    [("kill", "killed by SIGKILL"), ("segfault", "killed by SIGSEGV"), ("exit", "exited with status 7")],
)
def test_a_stage_that_always_loses_its_process_fails_by_name(lab: Lab, action: str, how: str) -> None:
    lab.does["3"] = action
    results = lab.run()
    assert results[-1].failure is not None
    assert results[-1].failure.startswith(f"its process was lost 3 times while running cell 3: {how}")
    assert lab.executions() == [("stage-1", 1), ("stage-2", 1), ("stage-2", 2), ("stage-2", 3)]
    history = attempts(lab.places.exchange, "run-1", "stage-2")
    assert [(attempt.outcome, attempt.detail) for attempt in history] == [("lost", how)] * 3
    assert any(event.event == "dead-letter" for event in lab.told)
    lab.check_nothing_is_left()


def test_a_stage_that_dies_while_it_prepares_fails_by_name(lab: Lab) -> None:
    lab.options["stage-2"] = {"dies_while_preparing": True}
    failure = lab.run()[-1].failure
    assert failure is not None
    assert failure.startswith("its process was lost 3 times")
    assert "killed by SIGKILL" in failure
    lab.check_nothing_is_left()


def test_a_process_lost_once_costs_one_attempt(lab: Lab) -> None:
    lab.does["2"] = "kill-once"
    results = lab.run()
    lab.check_chain(results)
    assert [result.attempt for result in results] == [1, 2, 1]
    assert [a.outcome for a in attempts(lab.places.exchange, "run-1", "stage-2")] == ["lost", "published"]


def test_a_cell_that_blocks_is_ended_after_its_time_and_not_tried_again(lab: Lab) -> None:
    with running(lab, "cell-3", timeout=0.5) as run, lab.stopped_at("cell-3"):
        results = run.result(DEADLINE)
    assert results[-1].failure == "cell 3 ran longer than 0.5 s (--timeout)"
    assert lab.executions() == [("stage-1", 1), ("stage-2", 1)]
    lab.check_nothing_is_left()


def test_what_a_stage_left_running_ends_with_it(lab: Lab) -> None:
    lab.does["0"] = "leave-processes"
    lab.check_chain(lab.run())


def test_what_a_lost_stage_left_running_ends_before_the_next_attempt(lab: Lab) -> None:
    lab.does.update({"2": "leave-processes", "3": "kill-once"})
    with running(lab, "cell-2") as run:
        with lab.stopped_at("cell-2"):
            pass
        lab.wait_for("taken", "stage-2", 2)
        results = run.result(DEADLINE)
    lab.check_chain(results)


def test_a_cell_that_forks_and_comes_back_publishes_once(lab: Lab) -> None:
    lab.does["2"] = "fork-and-return"
    lab.check_chain(lab.run())


def test_a_bug_of_ours_fails_the_run_by_name(lab: Lab) -> None:
    lab.does["2"] = "bug"
    assert lab.run()[-1].failure == "bug in j2k: KeyError: 'a bug'. The stage's log has the traceback."
    assert "KeyError" in (lab.places.logs / "stage-2.log").read_text()
    lab.check_nothing_is_left()


def test_a_full_disk_stops_the_run_which_goes_on_when_there_is_room(lab: Lab) -> None:
    lab.does["2"] = "disk-full-once"
    with pytest.raises(MachineryFailed, match="disk full") as caught:
        lab.run()
    assert caught.value.way_out == "Make room."
    lab.check_chain(lab.run())
    assert lab.executions() == [("stage-1", 1), ("stage-2", 1), ("stage-2", 2), ("stage-3", 1)]


# --- kills ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gate", ["cell-2", "publish-stage-2"])
def test_killing_the_child_costs_an_attempt_and_nothing_else(lab: Lab, gate: str) -> None:
    with running(lab, gate) as run:
        with lab.stopped_at(gate):
            child = lab.child("stage-2")
            kill(child)
            lab.wait_for_end_of(child)
        results = run.result(DEADLINE)
    lab.check_chain(results)
    assert lab.executions() == [("stage-1", 1), ("stage-2", 1), ("stage-2", 2), ("stage-3", 1)]


def test_killing_the_waiting_child_costs_not_even_an_attempt(lab: Lab) -> None:
    with running(lab, "cell-0") as run:
        with lab.stopped_at("cell-0"):
            busy = lab.child("stage-1")
            parents = {process for process, parent in lab.processes().items() if parent == lab.zygote()}
            wait_until(lambda: len(lab.processes()) == 7, lambda: f"not all are prepared: {lab.processes()}")
            waiting = {process for process, parent in lab.processes().items() if parent in parents} - {busy}
            assert len(waiting) == 2
            for process in waiting:
                kill(process)
        results = run.result(DEADLINE)
    lab.check_chain(results)
    assert [result.attempt for result in results] == [1, 1, 1]


@pytest.mark.parametrize("gate", ["claim-stage-2", "cell-2", "publish-stage-2", "forward-stage-2"])
def test_killing_the_parent_at_any_moment_loses_nothing(lab: Lab, gate: str) -> None:
    with running(lab, gate) as run:
        with lab.stopped_at(gate):
            kill(parent_of_stage_2(lab, gate))
            lab.wait_for("worker-lost", "stage-2")
        results = run.result(DEADLINE)
    lab.check_chain(results)
    runs_of_stage_2 = [attempt for stage, attempt in lab.executions() if stage == "stage-2"]
    assert runs_of_stage_2 == {"claim-stage-2": [1], "forward-stage-2": [1]}.get(gate, [1, 2])


def parent_of_stage_2(lab: Lab, gate: str) -> int:
    if gate in {"cell-2", "publish-stage-2"}:
        return lab.parent_of(lab.child("stage-2"))
    # The parent itself stands at the gate: it is the worker whose log is the stage's.
    log = lab.places.logs / "stage-2.log"
    parents = {process for process, parent in lab.processes().items() if parent == lab.zygote()}
    (found,) = [p for p in parents if Path(f"/proc/{p}/fd/2").readlink() == log]
    return found


def test_a_parent_that_keeps_dying_fails_the_run_by_name(lab: Lab) -> None:
    with running(lab, "cell-2") as run:
        for attempt in (1, 2, 3):
            with lab.stopped_at("cell-2"):
                if attempt < 3:
                    lab.put_gates("cell-2")
                child = lab.child("stage-2", attempt)
                lab.wait_for("cell-started", "stage-2", attempt)
                kill(lab.parent_of(child))
                lab.wait_for_end_of(child)
        results = run.result(DEADLINE)
    assert results[-1].failure is not None
    assert results[-1].failure.startswith("its process was lost 3 times while running cell 2: killed by SIGKILL")
    assert results[-1].attempt == 3
    lab.check_nothing_is_left()


@pytest.mark.parametrize("gate", ["prepare-stage-1", "claim-stage-2", "cell-2", "publish-stage-2", "forward-stage-2"])
def test_killing_the_zygote_at_any_moment_loses_nothing(lab: Lab, gate: str) -> None:
    with running(lab, gate) as run:
        with lab.stopped_at(gate):
            kill(lab.zygote())
        results = run.result(DEADLINE)
    lab.check_chain(results)


def test_an_interpreter_that_can_not_start_is_named_with_its_last_words(lab: Lab) -> None:
    with pytest.raises(MachineryFailed, match="ended 5 times") as caught:
        lab.run(preload=("no_such_module",))
    assert "no_such_module" in caught.value.detail
    lab.check_nothing_is_left_running()


@pytest.mark.parametrize(
    "gate",
    ["prepare-stage-1", "claim-stage-1", "cell-0", "cell-2", "publish-stage-2", "forward-stage-2", "forward-stage-3"],
)
def test_killing_j2k_itself_ends_everything_and_the_next_command_finishes_the_run(lab: Lab, gate: str) -> None:
    lab.does["1"] = "leave-processes"
    lab.put_gates(gate)
    with lab.command() as command, lab.stopped_at(gate):
        command.kill()
        command.wait()
        lab.check_nothing_is_left_running()
    lab.check_chain(lab.run())
    assert [s for s, _ in lab.executions() if s == "stage-3"] == ["stage-3"]


def test_interrupting_j2k_uses_up_no_attempts(lab: Lab) -> None:
    for _ in range(4):
        lab.put_gates("cell-0")
        with lab.command() as command, lab.stopped_at("cell-0"):
            command.kill()
            command.wait()
            lab.check_nothing_is_left_running()
    results = lab.run()
    lab.check_chain(results)
    assert results[0].attempt == 5


def test_an_exception_in_the_engine_ends_everything_in_order(lab: Lab) -> None:
    def interrupt(event: Event) -> None:
        if event.event == "cell-started":
            raise KeyboardInterrupt

    lab.places.work.mkdir()
    (lab.root / "gates").mkdir()
    with pytest.raises(KeyboardInterrupt):
        LocalEngine(Start(lab.root / "gates")).run(lab.request(), interrupt)
    lab.check_nothing_is_left_running()
    lab.check_chain(lab.run())


# --- the bus --------------------------------------------------------------------------------------------------------


def test_a_message_sent_twice_gives_one_publication(lab: Lab) -> None:
    with running(lab, "cell-0", "cell-2") as run:
        with lab.stopped_at("cell-0"):
            bus = SqliteBus(lab.places.bus)
            bus.send(Topics("run-1").stage("stage-2"), Message("run-1", "stage-2", "start>stage-1", {"rows": 5}))
            with lab.stopped_at("cell-2"):
                pass
        results = run.result(DEADLINE)
        bus.close()
    lab.check_chain(results)


def test_a_damaged_bus_is_named_and_nothing_is_left_running(lab: Lab) -> None:
    lab.places.bus.write_bytes(b"no database " * 1000)
    with pytest.raises(MachineryFailed, match="is damaged"):
        lab.run()
    lab.check_nothing_is_left_running()


def test_a_run_goes_on_after_its_bus_was_removed(lab: Lab) -> None:
    lab.does["2"] = "disk-full-once"
    with pytest.raises(MachineryFailed):
        lab.run()
    for path in lab.root.glob("bus.sqlite*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    lab.check_chain(lab.run())
    assert [stage for stage, _ in lab.executions()] == ["stage-1", "stage-2", "stage-2", "stage-3"]


def test_a_stage_whose_publication_was_removed_runs_again(lab: Lab) -> None:
    lab.run()
    published = lab.places.exchange / "runs/run-1/stage-2/result.json"
    published.write_text("damaged")
    with pytest.raises(MachineryFailed, match="is damaged"):
        lab.run()
    published.unlink()
    lab.check_chain(lab.run())
    assert [stage for stage, _ in lab.executions()] == [*lab.names, "stage-2"]


def test_what_a_killed_process_left_unfinished_in_the_store_is_removed(lab: Lab) -> None:
    lab.does["2"] = "kill-once"
    unfinished = lab.places.exchange / "blobs" / "ab" / ".new-unfinished"
    unfinished.parent.mkdir(parents=True)
    unfinished.touch()
    lab.check_chain(lab.run())
    assert not unfinished.exists()


if __name__ == "__main__":
    Lab(Path(sys.argv[1]), does={"1": "leave-processes"}).run()
