"""The rules of histories: each kind of violation is found, and breaks exactly the rule that is meant."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from j2k_dev.model.scenario import Publication
from j2k_dev.scenario.rules import RULES, violations
from tests.scenario.histories import (
    STAGES,
    TOPICS,
    Story,
    a_good_history,
    a_message_came_twice,
    all_attempts_were_lost,
    nothing_happened,
    the_notebook_raised,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from j2k_dev.scenario.history import RunHistory
    from j2k_dev.worker.events import Event


def broken(history: RunHistory) -> set[str]:
    return {found.rule for found in violations(history)}


class TestEndsOnce:
    def test_a_run_that_never_ended_is_lost(self) -> None:
        assert broken(replace(nothing_happened(), outcome=None)) == {"ends-once"}

    def test_a_run_that_ended_well_has_all_stages_published(self) -> None:
        story = Story()
        story.runs("load", "fit")
        assert broken(story.ends("equal")) == {"ends-once"}

    def test_nothing_at_all_is_no_proof(self) -> None:
        assert broken(Story().ends("equal")) == {"ends-once"}

    def test_publications_of_which_nobody_tells_are_no_proof(self) -> None:
        assert broken(replace(nothing_happened(), events=())) == {"ends-once", "one-publication"}

    @pytest.mark.parametrize("said", ["raised", "failed"])
    def test_j2k_says_what_the_last_stage_says(self, said: str) -> None:
        assert broken(replace(nothing_happened(), outcome=said)) == {"ends-once"}

    @pytest.mark.parametrize("tell", [the_notebook_raised, all_attempts_were_lost])
    def test_an_error_is_no_success(self, tell: Callable[[], RunHistory]) -> None:
        assert broken(replace(tell(), outcome="equal")) == {"ends-once"}

    def test_a_run_that_was_given_up_has_no_later_stage_published(self) -> None:
        story = Story()
        story.runs("load")
        story.worker("plot").takes().publishes()
        assert broken(story.ends("failed")) == {"ends-once"}

    def test_the_end_is_told(self) -> None:
        story = Story()
        story.runs("load", "fit")
        story.worker("plot").works().publishes().is_lost().retries()
        assert broken(story.ends()) == {"ends-once"}


class TestNothingAfterTheEnd:
    def test_no_stage_begins_when_the_end_was_told(self) -> None:
        story = Story()
        story.runs("load")
        story.worker("fit").takes().starts().cell(1).publishes("raised").ends("raised").tells_end()
        story.worker("plot").takes().starts()
        assert broken(story.ends("raised")) == {"nothing-after-the-end"}

    def test_only_who_was_stopped_may_be_late(self) -> None:
        story = Story(pods=True)
        story.runs("load", "fit")
        story.strikes("stop", story.worker("plot"))
        story.runs("plot")
        story.worker("plot").works_halfway(2)
        assert broken(story.ends()) == {"nothing-after-the-end"}

    def test_nor_does_the_last_one_begin_again(self) -> None:
        story = Story()
        story.runs(*STAGES)
        story.worker("plot").works_halfway(2)
        assert broken(story.ends()) == {"nothing-after-the-end"}


class TestOnePublication:
    def test_a_stage_publishes_once(self) -> None:
        history = nothing_happened()
        second = Publication("fit", 1, history.publications[1].at + 1, "published")
        assert broken(replace(history, publications=(*history.publications, second))) == {"one-publication"}

    def test_everybody_names_the_attempt_that_the_exchange_has(self) -> None:
        story = Story(pods=True)
        story.runs("load")
        slow, quick = story.worker("fit").works(), story.worker("fit").works(2)
        slow.publishes().ends().forwards()
        quick.ends("published", published=2).abandons()
        story.runs("plot")
        assert broken(story.ends()) == {"one-publication"}

    def test_everybody_tells_the_outcome_that_the_exchange_has(self) -> None:
        story = Story()
        story.runs("load", "fit")
        story.worker("plot").works().publishes("raised").ends("published").forwards()
        assert broken(story.ends("raised")) == {"one-publication"}

    def test_who_publishes_was_heard_of(self) -> None:
        history = a_good_history()
        stranger = replace(history.publications[0], attempt=7)
        told = tuple(replace(event, detail=_naming(event, 7, "load")) for event in history.events)
        found = broken(replace(history, events=told, publications=(stranger, *history.publications[1:])))
        assert found == {"one-publication"}


def _naming(event: Event, number: int, stage: str) -> dict[str, object]:
    names = event.event == "ended" and event.stage == stage
    return {**event.detail, "published": number} if names else event.detail


class TestPublishBeforeForward:
    def test_nothing_is_passed_on_before_it_is_published(self) -> None:
        story = Story()
        story.runs("load", "fit")
        plot = story.worker("plot").works()
        plot.tells("ended", outcome="published", how="").forwards().publishes()
        assert broken(story.ends()) == {"publish-before-forward"}

    def test_nobody_says_that_there_is_a_result_before_there_is(self) -> None:
        story = Story()
        story.runs("load", "fit")
        story.worker("plot").works().ends().publishes().forwards()
        assert broken(story.ends()) == {"publish-before-forward"}

    def test_nobody_finds_a_result_before_there_is(self) -> None:
        story = Story()
        story.runs("load")
        story.worker("fit").finds_result().abandons()
        story.runs("fit", "plot")
        assert broken(story.ends()) == {"publish-before-forward"}

    def test_a_lost_attempt_passes_on_nothing(self) -> None:
        story = Story(pods=True)
        story.runs("load")
        slow = story.worker("fit").works_halfway()
        story.worker("fit").works(2).publishes().ends().abandons()
        slow.is_lost().forwards()
        story.runs("plot")
        assert broken(story.ends()) == {"publish-before-forward"}

    def test_what_was_never_published_is_not_passed_on(self) -> None:
        story = Story()
        story.worker("load").works().tells("ended", outcome="published", how="").forwards()
        assert broken(story.ends("failed")) == {"publish-before-forward"}


class TestPassedOnRightly:
    def test_a_result_goes_to_the_next_stage(self) -> None:
        story = Story()
        story.worker("load").works().publishes().ends().tells("forwarded", to=[TOPICS.stage("plot")])
        story.runs("fit", "plot")
        assert "passed-on-rightly" in broken(story.ends())

    def test_a_result_in_the_middle_is_not_the_end(self) -> None:
        story = Story()
        story.runs("load")
        story.worker("fit").works().publishes().ends().tells_end(TOPICS.stage("plot"))
        assert broken(story.ends("failed")) == {"passed-on-rightly"}

    def test_an_exception_is_not_passed_on_to_the_next_stage(self) -> None:
        story = Story()
        story.runs("load")
        story.worker("fit").works().publishes("raised").ends("raised").forwards()
        assert broken(story.ends("raised")) == {"passed-on-rightly"}

    def test_the_last_result_is_told(self) -> None:
        story = Story()
        story.runs("load", "fit")
        story.worker("plot").works().publishes().ends().tells("forwarded", to=[])
        assert broken(story.ends()) == {"passed-on-rightly"}


class TestStagesInOrder:
    def test_a_stage_waits_for_the_one_before(self) -> None:
        story = Story()
        story.runs("load")
        early = story.worker("plot").works()
        story.runs("fit")
        early.publishes().ends().forwards()
        assert broken(story.ends()) == {"stages-in-order"}

    def test_a_stage_does_not_follow_an_exception(self) -> None:
        story = Story()
        story.runs("load")
        fit = story.worker("fit").works().publishes("raised").ends("raised")
        story.worker("plot").works_halfway()
        fit.tells_end()
        assert broken(story.ends("raised")) == {"stages-in-order"}


class TestDeliveries:
    def test_nobody_takes_a_message_that_nobody_sent(self) -> None:
        story = Story()
        story.runs("load")
        fit = story.worker("fit").works().publishes().ends().forwards()
        fit.finds_result().forwards()
        story.runs("plot")
        assert broken(story.ends()) == {"deliveries"}

    def test_a_duplicate_explains_one_more_and_not_two(self) -> None:
        history = a_message_came_twice()
        assert broken(replace(history, sent={})) == {"deliveries"}

    def test_a_silence_explains_nothing_where_j2k_sends_nothing_again(self) -> None:
        story = Story()
        story.runs("load", "fit")
        plot = story.worker("plot").works()
        story.later(6)
        plot.publishes().ends().forwards().finds_result().forwards()
        assert broken(story.ends()) == {"deliveries"}


class TestExceptionsAreFinal:
    def test_an_exception_is_not_retried(self) -> None:
        story = Story()
        story.runs("load")
        fit = story.worker("fit").works().publishes("raised").ends("raised").retries()
        fit.finds_result(2).tells_end()
        assert broken(story.ends("raised")) == {"exceptions-are-final"}

    def test_nor_is_the_stage_begun_again_for_another_message(self) -> None:
        story = Story()
        story.runs("load")
        fit = story.worker("fit").works().publishes("raised").ends("raised").abandons()
        fit.works(2).ends("raised", published=1).tells_end()
        assert broken(story.ends("raised")) == {"exceptions-are-final"}


def test_a_stage_that_has_its_result_is_not_run_again() -> None:
    story = Story(pods=True)
    story.runs("load")
    story.worker("fit").works().publishes().ends()
    story.worker("fit").works(2).ends("published", published=1).forwards()
    story.runs("plot")
    assert broken(story.ends()) == {"results-are-final"}


def test_a_result_is_not_retried() -> None:
    story = Story()
    story.runs("load")
    story.worker("fit").works().publishes().ends().retries().finds_result(2).forwards()
    story.runs("plot")
    assert broken(story.ends()) == {"retried-after-loss"}


class TestAttemptsAllowed:
    def test_no_more_are_made_than_are_allowed(self) -> None:
        story = Story(pods=True)
        story.runs("load")
        for attempt in (1, 2, 3):
            story.worker("fit").works_halfway(attempt)
        story.worker("fit").works(4).publishes().ends().forwards()
        story.runs("plot")
        assert broken(story.ends()) == {"attempts-allowed"}
        assert broken(story.ends(attempts=4)) == set()

    def test_the_last_one_is_not_retried(self) -> None:
        story = Story(pods=True)
        story.runs("load")
        for attempt in (1, 2, 3):
            story.worker("fit").works_halfway(attempt).is_lost().retries()
        story.worker("fit").gives_up()
        assert broken(replace(story.ends("failed"), publications=_by(story, 3))) == {"attempts-allowed"}


def _by(story: Story, attempt: int) -> tuple[Publication, ...]:
    return (story.publications[0], replace(story.publications[1], attempt=attempt))


class TestDeadLetterWhenUsedUp:
    def test_a_message_is_not_given_up_too_early(self) -> None:
        story = Story()
        story.runs("load")
        story.worker("fit").works_halfway().is_lost().retries().works_halfway(2).is_lost().gives_up()
        assert broken(story.ends("failed")) == {"dead-letter-when-used-up"}

    def test_nor_where_attempts_do_not_count(self) -> None:
        story = Story(pods=True)
        story.runs("load")
        for attempt in (1, 2):
            story.worker("fit").works_halfway(attempt).abandons("asked to stop")
        story.worker("fit").works_halfway(3).is_lost().gives_up()
        assert broken(story.ends("failed")) == {"dead-letter-when-used-up"}

    def test_nor_where_attempts_were_of_an_earlier_life_of_the_engine(self) -> None:
        story = Story()
        story.runs("load")
        for attempt in (1, 2):
            story.worker("fit").works_halfway(attempt)
            story.zygote += 1
        story.worker("fit").works_halfway(3).is_lost().gives_up()
        assert broken(story.ends("failed", commands=3)) == {"dead-letter-when-used-up"}

    def test_nor_after_a_result(self) -> None:
        story = Story()
        story.runs("load")
        fit = story.worker("fit")
        for attempt in (1, 2):
            fit.works_halfway(attempt).is_lost().retries()
        fit.works(3).publishes().ends().tells("dead-letter").forwards()
        story.runs("plot")
        assert broken(story.ends()) == {"dead-letter-when-used-up"}

    def test_what_is_given_up_did_not_publish(self) -> None:
        story = Story()
        story.runs("load")
        fit = story.worker("fit")
        for attempt in (1, 2):
            fit.works_halfway(attempt).is_lost().retries()
        fit.works(3).is_lost().tells("dead-letter").publishes().forwards()
        story.runs("plot")
        assert broken(story.ends()) == {"dead-letter-when-used-up"}


class TestAttemptNumbers:
    def test_no_number_is_given_twice(self) -> None:
        story = Story(pods=True)
        story.runs("load")
        story.worker("fit").works_halfway()
        story.worker("fit").works().publishes().ends().forwards()
        story.runs("plot")
        assert broken(story.ends()) == {"attempt-numbers"}

    def test_numbers_grow(self) -> None:
        story = Story()
        story.runs("load")
        story.worker("fit").works_halfway(2).is_lost().retries().works(1).publishes().ends().forwards()
        story.runs("plot")
        assert broken(story.ends()) == {"attempt-numbers"}


class TestOfThisRun:
    def test_another_run_is_not_judged_along(self) -> None:
        history = nothing_happened()
        stray = replace(history.events[3], run="run-2")
        assert broken(replace(history, events=(*history.events, stray))) == {"of-this-run"}

    def test_a_stage_that_there_is_not_is_said(self) -> None:
        history = nothing_happened()
        stray = replace(history.events[3], stage="train")
        assert broken(replace(history, events=(*history.events, stray))) == {"of-this-run"}


def test_a_violation_says_what_and_when_and_what_was_promised() -> None:
    (found,) = violations(replace(nothing_happened(), outcome=None))
    assert found.told == "the run never ended"
    assert found.promise.startswith("A run that was accepted ends once")
    (found,) = violations(_passed_on_early())
    assert found.told == "attempt 1 of stage plot (plot-100-000003) passed on a result 1.000 s before it was published"
    assert found.times[1] - found.times[0] == 1.0


def _passed_on_early() -> RunHistory:
    story = Story()
    story.runs("load", "fit")
    story.worker("plot").works().tells("ended", outcome="published", how="").forwards().publishes()
    return story.ends()


def test_rules_have_names_and_promises_of_their_own() -> None:
    assert len({rule.id for rule in RULES}) == len({rule.promise for rule in RULES}) == len(RULES)
    assert all(rule.promise.endswith(".") and rule.promise.count(".") == 1 for rule in RULES)
