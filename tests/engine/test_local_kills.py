"""The local engine with real kills: whoever is killed, at whatever moment, nothing is lost and nothing is left."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from j2k_dev.engine.local import LocalEngine
from tests.engine.lab import DEADLINE, Lab, Start, running, wait_until

if TYPE_CHECKING:
    from j2k_dev.worker.events import Event

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc to see that nothing is left behind")


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)


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
    (found,) = [process for process in parents if writes_to(process) == log]
    return found


def writes_to(process: int) -> Path | None:
    """Name the file of a process's errors; None where it is gone by now."""
    try:
        return Path(f"/proc/{process}/fd/2").readlink()
    except FileNotFoundError:
        return None


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


def test_what_a_killed_process_left_unfinished_in_the_store_is_removed(lab: Lab) -> None:
    lab.does["2"] = "kill-once"
    unfinished = lab.places.exchange / "blobs" / "ab" / ".new-unfinished"
    unfinished.parent.mkdir(parents=True)
    unfinished.touch()
    lab.check_chain(lab.run())
    assert not unfinished.exists()
