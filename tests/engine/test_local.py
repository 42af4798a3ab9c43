"""The local engine with real processes: every run ends once, with one publication per stage."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from j2k_dev.engine.local import LocalEngine, attempts
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.model.run import Message
from j2k_dev.worker.bus import Topics
from j2k_dev.worker.sqlite_bus import SqliteBus
from tests.engine.lab import DEADLINE, Start, running

if TYPE_CHECKING:
    from tests.engine.lab import Lab

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc to see that nothing is left behind")


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
    expected = (
        ["taken", "started", "restored"]
        + ["cell-started", "cell-finished"] * 2
        + ["writing-result", "ended", "forwarded"]
    )
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


# --- what the machinery does -------------------------------------------------------------------------------------


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


def test_an_interpreter_that_can_not_start_is_named_with_its_last_words(lab: Lab) -> None:
    with pytest.raises(MachineryFailed, match="ended 5 times") as caught:
        lab.run(preload=("no_such_module",))
    assert "no_such_module" in caught.value.detail
    lab.check_nothing_is_left_running()


# --- the bus ----------------------------------------------------------------------------------------------------


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
