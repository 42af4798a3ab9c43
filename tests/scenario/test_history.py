"""What may happen to a run, whoever is killed: none of it breaks a rule, however the history of it breaks off."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from j2k_dev.scenario.history import RunHistory, session_of
from j2k_dev.scenario.rules import violations
from tests.scenario.histories import (
    STAGES,
    Story,
    Teller,
    a_good_history,
    a_message_came_twice,
    all_attempts_were_lost,
    nothing_happened,
    the_notebook_raised,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def nothing_happened_to_pods() -> RunHistory:
    story = Story(pods=True)
    story.runs(*STAGES)
    return story.ends()


def the_cells_process_was_killed_after_publishing() -> RunHistory:
    story = Story()
    story.runs("load")
    fit = story.worker("fit").works().publishes()
    story.strikes("kill", fit, "cells")
    fit.ends().forwards()
    story.runs("plot")
    return story.ends()


def a_worker_was_killed_at(point: str) -> RunHistory:
    """Kill the worker of the second stage; the zygote replaces it, and the new one takes the message."""
    story = Story()
    story.runs("load")
    fit = story.worker("fit")
    steps: dict[str, Callable[[], Teller]] = {
        "taking": fit.takes,
        "its second cell": fit.works_halfway,
        "publishing": lambda: fit.works().publishes(),
        "saying that it published": lambda: fit.works().publishes().ends().tells("held", at="ended"),
        "forwarding": lambda: fit.works().publishes().ends().forwards().tells("held", at="forwarded"),
    }
    steps[point]()
    story.strikes("kill", fit)
    story.loses(fit)
    if not story.publications[1:]:
        story.worker("fit").works(2).publishes().ends().forwards()
    elif point != "forwarding":
        story.worker("fit").finds_result().forwards()
    story.runs("plot")
    return story.ends()


def a_worker_was_killed_before_it_said_what_it_did(step: str) -> RunHistory:
    """Kill it after it has passed on its message, or put it back, and before it could say so."""
    story = Story()
    story.runs("load")
    fit = story.worker("fit")
    number = 1
    if step == "forwarded":
        fit.works().publishes().ends()
        story.loses(fit)
    else:
        fit.works_halfway().is_lost()
        story.loses(fit)
        story.worker("fit").works(2).publishes().ends().forwards()
        number = 2
    story.runs("plot")
    assert story.publications[1].attempt == number
    return story.ends()


def the_last_worker_was_killed_with_its_last_words() -> RunHistory:
    story = Story(pods=True)
    story.runs("load", "fit")
    story.worker("plot").works().publishes()
    return story.ends()


def a_container_was_killed_twice_and_started_again_in_its_pod() -> RunHistory:
    story = Story(pods=True)
    story.runs("load")
    fit = story.worker("fit")
    for attempt in (1, 2):
        fit.works_halfway(attempt)
        story.strikes("kill", fit)
        story.later(10)
    fit.works(3).publishes().ends().forwards()
    story.runs("plot")
    return story.ends()


def a_lease_was_lost_and_two_worked_on_it(first: str) -> RunHistory:
    """Two replicas run the stage side by side; the first publication is what both speak of."""
    story = Story(pods=True)
    story.runs("load")
    slow, quick = story.worker("fit").works_halfway(), story.worker("fit").works_halfway(2)
    if first == "quick":
        quick.tells("cell-finished", cell=3).tells("ran").publishes().ends().forwards()
        slow.tells("cell-finished", cell=3).tells("ran").ends("published", published=2).abandons()
    else:
        slow.tells("cell-finished", cell=3).tells("ran").publishes()
        quick.tells("cell-finished", cell=3).tells("ran").ends("published", published=1).forwards()
        slow.abandons()
    story.runs("plot")
    return story.ends()


def whoever_lost_a_message_says_so_of_the_number_in_it() -> RunHistory:
    story = Story(pods=True)
    story.runs("load")
    story.worker("fit").works_halfway()
    slow = story.worker("fit").works(2)
    story.worker("fit").works(3).publishes().ends().forwards()
    slow.ends("published", published=3)
    slow.attempt = 1
    slow.abandons()
    story.runs("plot")
    return story.ends()


def a_stopped_worker_went_on_when_all_was_over() -> RunHistory:
    story = Story(pods=True)
    story.runs("load")
    stopped = story.worker("fit")
    story.strikes("stop", stopped, seconds=30)
    story.worker("fit").works(2).publishes().ends().forwards()
    story.runs("plot")
    stopped.takes(1).starts().begins_cell(1).abandons()
    return story.ends()


def a_message_came_twice_at_once() -> RunHistory:
    story = Story(pods=True)
    story.runs("load")
    first, second = story.worker("fit").takes(1), story.worker("fit").takes(2)
    first.starts().cell(1).cell(2)
    second.starts().cell(1)
    first.publishes().ends().forwards()
    second.cell(2).ends("published", published=1).forwards()
    plot = story.worker("plot").works().publishes().ends().forwards()
    plot.finds_result().forwards()
    return story.ends(sent={"fit": 1})


def the_state_could_not_be_handed_over() -> RunHistory:
    story = Story()
    story.worker("load").works().publishes("refused").ends("refused").tells_end()
    return story.ends("failed")


def a_cell_ran_too_long() -> RunHistory:
    story = Story()
    story.worker("load").works_halfway().is_lost().publishes("lost").tells_end()
    return story.ends("failed")


def all_attempts_were_lost_with_their_containers() -> RunHistory:
    """Nothing is known of the second attempt: the worker was killed before it said a word."""
    story = Story(pods=True)
    story.runs("load")
    fit = story.worker("fit").works_halfway(1)
    fit.works_halfway(3).gives_up()
    return story.ends("failed")


def pods_that_were_asked_to_stop_used_up_no_attempt() -> RunHistory:
    story = Story(pods=True)
    story.runs("load")
    for attempt in range(1, 5):
        story.worker("fit").works_halfway(attempt).abandons("asked to stop")
    story.worker("fit").works(5).publishes().ends().forwards()
    story.runs("plot")
    return story.ends()


def j2k_was_killed_often_and_started_again() -> RunHistory:
    """Attempts are counted within the life of one zygote: being interrupted uses up none."""
    story = Story()
    story.runs("load")
    for number in range(1, 5):
        story.worker("fit").works_halfway(number)
        story.zygote += 1
    story.worker("fit").works(5).publishes().ends().forwards()
    story.runs("plot")
    return story.ends(commands=5)


def j2k_was_killed_after_a_stage_had_published() -> RunHistory:
    """The worker died between publishing and passing on, with its message; j2k sends what has to come next."""
    story = Story()
    story.runs("load")
    story.worker("fit").works().publishes()
    story.zygote += 1
    story.runs("plot")
    return story.ends(commands=2)


def j2k_was_killed_and_the_pods_went_on() -> RunHistory:
    story = Story(pods=True)
    story.runs("load")
    story.later(30)
    story.runs("fit", "plot")
    return story.ends(commands=2)


def j2k_sent_a_message_again_after_a_silence() -> RunHistory:
    story = Story(pods=True)
    story.runs("load", "fit")
    plot = story.worker("plot").works()
    story.later(6)
    plot.publishes().ends().forwards().finds_result().forwards()
    return story.ends()


def two_began_at_once_and_the_second_said_so_first() -> RunHistory:
    story = Story(pods=True)
    story.runs("load")
    second, first = story.worker("fit").takes(2), story.worker("fit").takes(1)
    first.starts().abandons()
    second.starts().cell(1).cell(2).publishes().ends().forwards()
    story.runs("plot")
    return story.ends()


def stages_were_taken_over() -> RunHistory:
    story = Story()
    story.adopts("load")
    story.adopts("fit")
    story.runs("plot")
    return story.ends(adopted=("load", "fit"))


def everything_was_taken_over() -> RunHistory:
    story = Story()
    for stage in STAGES:
        story.adopts(stage)
    return story.ends(adopted=STAGES)


def nothing_could_be_written_for_a_while() -> RunHistory:
    """Events are lost where the exchange is full; what counts is not."""
    story = Story(pods=True)
    story.runs("load")
    fit = story.worker("fit").takes().starts()
    story.strikes("fill-exchange", fit, seconds=5)
    story.later(8)
    fit.tells("cell-finished", cell=3).publishes().ends().forwards()
    story.runs("plot")
    return story.ends()


def an_attempt_began_while_nothing_could_be_written() -> RunHistory:
    """All that is known of the second attempt is its end."""
    story = Story()
    story.runs("load")
    fit = story.worker("fit").works_halfway().is_lost().retries()
    story.strikes("readonly-exchange", fit, seconds=5)
    story.later(8)
    fit.attempt = 2
    fit.tells("cell-finished", cell=3).tells("ran").publishes().ends().forwards()
    story.runs("plot")
    return story.ends()


def j2k_gave_the_run_up_by_name() -> RunHistory:
    story = Story(pods=True)
    story.runs("load")
    return story.ends("failed")


def a_result_was_damaged_after_the_run() -> RunHistory:
    story = Story()
    story.runs(*STAGES)
    story.strikes("damage-blob", story.worker("plot"))
    return story.ends("failed")


POINTS = ("taking", "its second cell", "publishing", "saying that it published", "forwarding")
GOOD: tuple[RunHistory | Callable[[], RunHistory], ...] = (
    nothing_happened,
    nothing_happened_to_pods,
    a_good_history,
    the_cells_process_was_killed_after_publishing,
    the_last_worker_was_killed_with_its_last_words,
    a_container_was_killed_twice_and_started_again_in_its_pod,
    whoever_lost_a_message_says_so_of_the_number_in_it,
    a_stopped_worker_went_on_when_all_was_over,
    a_message_came_twice,
    a_message_came_twice_at_once,
    the_notebook_raised,
    the_state_could_not_be_handed_over,
    a_cell_ran_too_long,
    all_attempts_were_lost,
    all_attempts_were_lost_with_their_containers,
    pods_that_were_asked_to_stop_used_up_no_attempt,
    j2k_was_killed_often_and_started_again,
    j2k_was_killed_after_a_stage_had_published,
    j2k_was_killed_and_the_pods_went_on,
    j2k_sent_a_message_again_after_a_silence,
    two_began_at_once_and_the_second_said_so_first,
    stages_were_taken_over,
    everything_was_taken_over,
    nothing_could_be_written_for_a_while,
    an_attempt_began_while_nothing_could_be_written,
    j2k_gave_the_run_up_by_name,
    a_result_was_damaged_after_the_run,
)


@pytest.mark.parametrize("tell", GOOD)
def test_what_may_happen_breaks_no_promise(tell: Callable[[], RunHistory]) -> None:
    assert violations(tell()) == ()


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_may_be_killed_at_any_moment(point: str) -> None:
    assert violations(a_worker_was_killed_at(point)) == ()


@pytest.mark.parametrize("step", ["forwarded", "retried"])
def test_a_worker_may_be_killed_before_it_says_what_it_did(step: str) -> None:
    assert violations(a_worker_was_killed_before_it_said_what_it_did(step)) == ()


@pytest.mark.parametrize("first", ["slow", "quick"])
def test_two_workers_may_run_the_same_message_when_a_lease_was_lost(first: str) -> None:
    assert violations(a_lease_was_lost_and_two_worked_on_it(first)) == ()


@given(st.integers(1, 60), st.sampled_from([False, True]))
def test_a_history_may_break_off_anywhere_if_the_run_has_no_end_yet(words: int, pods: bool) -> None:
    story = Story(pods=pods)
    story.runs(*STAGES)
    history = story.ends(None)
    told = history.events[:words]
    published = tuple(one for one in history.publications if one.at <= told[-1].time)
    found = violations(replace(history, events=told, publications=published))
    assert [one.rule for one in found] == ["ends-once"]


TROUBLES = st.tuples(st.sampled_from(["cells", "worker", "stop"]), st.integers(1, 9))


@given(st.lists(st.lists(TROUBLES, max_size=2), min_size=3, max_size=3), st.sampled_from([False, True]))
def test_any_kills_at_any_moments_are_survived_by_the_rules(troubles: list[list[tuple[str, int]]], pods: bool) -> None:
    story = Story(pods=pods)
    for stage, of_stage in zip(STAGES, troubles, strict=True):
        _survives(story, stage, of_stage)
    assert violations(story.ends()) == ()


def _survives(story: Story, stage: str, troubles: list[tuple[str, int]]) -> None:
    """Have a stage run through its troubles, each of which meets its attempt after so many words."""
    worker = story.worker(stage)
    for attempt, (trouble, words) in enumerate(troubles, start=1):
        before = len(story.events)
        worker.works(attempt)
        del story.events[before + words :]
        if trouble == "cells" and words > 1:
            worker.is_lost().retries()
            continue
        if trouble == "stop" and words > 1:
            worker.abandons("asked to stop")
        story.strikes("terminate" if trouble == "stop" else "kill", worker)
        story.later(2)
        if not story.pods:
            story.loses(worker)
        worker = story.worker(stage)
    worker.works(len(troubles) + 1).publishes().ends().forwards()


def test_attempts_of_pods_are_counted_together_and_those_of_a_zygote_by_themselves() -> None:
    assert session_of("fit-4711-0a1b2c") == session_of("stage-2-4711-ffffff") == "4711"
    assert session_of("stage-2-fit-7c9d84bf6d-x2x9z") == session_of("fit-0a1b2c3d4e5f") == ""
