"""The verdict: what was expected, held against what was seen."""

from __future__ import annotations

from typing import Any

import pytest

from j2k_dev.model.scenario import Struck
from j2k_dev.scenario.conduct import Seen
from j2k_dev.scenario.model import Expected
from j2k_dev.scenario.subject import Ended
from j2k_dev.scenario.verdict import Judged, OnBus, judge
from tests.scenario.histories import RUN, Story

EQUAL = Ended(0, {"run": RUN, "verdict": "equal"})
FAILED = Ended(5, {"error": {"message": "stage fit: its process was lost 3 times"}})


def killed_once(*, bit: bool = True) -> tuple[Story, Struck]:
    """Tell of a run whose second stage lost its cells' process in the second cell, and was run again."""
    story = Story()
    story.runs("load")
    fit = story.worker("fit").works_halfway()
    at = story.later()
    fit.is_lost().retries().works(2).publishes().ends().forwards()
    story.runs("plot")
    return story, struck(at, bit=bit)


def struck(at: float, *, bit: bool = True) -> Struck:
    return Struck("kill", "fit", "in cell 2", 1, "fit-1", at, {}, {}, bit, "process 7 was running, and gone")


def judged(
    story: Story,
    faults: tuple[Struck, ...],
    ended: Ended | None = EQUAL,
    missed: tuple[str, ...] = (),
    on_bus: OnBus | None = None,
    **changes: Any,
) -> Judged:
    history = story.ends(ended.outcome if ended else None)
    seen = Seen(history.events, faults, ended, 1000.0, story.later(), missed)
    return judge(Expected(**{"recovery_seconds": 10, **changes}), seen, (history,), "", on_bus)


def test_equal_results_after_a_kill_are_survived() -> None:
    story, fault = killed_once()
    found = judged(story, (fault,))
    assert (found.verdict, found.violations) == ("survived", ())
    assert found.recovery is not None
    assert 0 < found.recovery < 10
    assert {tale.stage: tale.attempts for tale in found.stages} == {"load": 1, "fit": 2, "plot": 1}


def test_cells_that_ran_again_are_counted() -> None:
    story, fault = killed_once()
    assert {tale.stage: tale.recomputed_cells for tale in judged(story, (fault,)).stages}["fit"] == 2


def test_a_recovery_over_its_bound_is_late_and_nothing_else() -> None:
    story, fault = killed_once()
    found = judged(story, (fault,), recovery_seconds=1)
    assert found.verdict == "survived late"
    assert "recovery" in found.why


def test_a_fault_that_did_not_bite_proves_nothing() -> None:
    story, fault = killed_once(bit=False)
    assert judged(story, (fault,)).verdict == "invalid"


def test_a_fault_that_never_struck_proves_nothing() -> None:
    story = Story()
    story.runs("load", "fit", "plot")
    found = judged(story, ())
    assert found.verdict == "invalid"
    assert "never came to the point" in found.why


@pytest.mark.parametrize("ended", [FAILED, Ended(3, {"verdict": "different"}), None])
def test_other_results_or_none_are_broken(ended: Ended | None) -> None:
    story, fault = killed_once()
    assert judged(story, (fault,), ended).verdict == "broken"


def test_more_attempts_than_allowed_are_broken() -> None:
    story, fault = killed_once()
    assert judged(story, (fault,), attempts=1).verdict == "broken"


def test_a_run_that_was_to_fail_and_does_so_by_name_has_survived() -> None:
    story = Story()
    story.runs("load")
    fit = story.worker("fit")
    for attempt in (1, 2):
        fit.works_halfway(attempt).is_lost().retries()
    fit.works_halfway(3)
    at = story.later()
    fit.is_lost().gives_up()
    found = judged(story, (struck(at),), FAILED, outcome="failed", attempts=3, dead_letters=1)
    assert (found.verdict, found.why) == ("survived", "")


@pytest.mark.parametrize(("ended", "verdict"), [(EQUAL, "survived"), (Ended(3, {"verdict": "different"}), "broken")])
def test_where_both_are_right_other_results_are_broken_still(ended: Ended, verdict: str) -> None:
    story, fault = killed_once()
    assert judged(story, (fault,), ended, outcome="equal-or-failed").verdict == verdict


def test_a_broken_promise_is_broken_whatever_the_results_are() -> None:
    story, fault = killed_once()
    story.worker("plot").works(2).ends().forwards()
    found = judged(story, (fault,))
    assert found.verdict == "broken"
    assert found.violations
    assert "history" in found.why


def test_what_is_not_well_afterwards_is_broken() -> None:
    story, fault = killed_once()
    history = story.ends("equal")
    found = judge(
        Expected(), Seen(history.events, (fault,), EQUAL, 1000.0, 1100.0), (history,), "the broker is stopped"
    )
    assert (found.verdict, found.why) == ("broken", "afterwards: the broker is stopped, and not everything as before")


def test_a_strike_that_never_came_to_its_point_beside_one_that_did_proves_nothing() -> None:
    story, fault = killed_once()
    found = judged(story, (fault,), missed=("kill plot, in cell 5",))
    assert (found.verdict, found.why) == ("invalid", "the run never came to kill plot, in cell 5")


def test_what_broke_before_the_next_strike_is_broken() -> None:
    story, fault = killed_once()
    assert judged(story, (fault,), Ended(3, {}), missed=("kill plot, in cell 5",)).verdict == "broken"


def test_a_message_that_nobody_acknowledged_is_broken() -> None:
    story, fault = killed_once()
    found = judged(story, (fault,), on_bus=OnBus(("fit", "fit"), 0))
    assert (found.verdict, found.why) == (
        "broken", "messages: nobody acknowledged 2 of fit, and not all are acknowledged",
    )  # fmt: skip


def test_nothing_left_on_the_bus_is_as_it_has_to_be() -> None:
    story, fault = killed_once()
    assert judged(story, (fault,), on_bus=OnBus((), 0)).verdict == "survived"


def test_a_dead_letter_that_nobody_told_of_is_broken() -> None:
    story, fault = killed_once()
    found = judged(story, (fault,), on_bus=OnBus((), 1))
    assert (found.verdict, found.why) == ("broken", "dead letters: none told of, and 1 in the topic, and not none")


def test_a_run_that_failed_may_leave_its_message_for_after_a_repair() -> None:
    story, fault = killed_once()
    found = judged(story, (fault,), FAILED, on_bus=OnBus(("fit",), 0), outcome="equal-or-failed")
    assert [check.what for check in found.checks if not check.holds] == ["history"]
