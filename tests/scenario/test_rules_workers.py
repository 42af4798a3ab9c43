"""What one worker may tell: its cells in order, nothing of what is over, and nothing once it is dead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from j2k_dev.scenario.rules import violations
from tests.scenario.histories import Story

if TYPE_CHECKING:
    from j2k_dev.scenario.history import RunHistory


def broken(history: RunHistory) -> set[str]:
    return {found.rule for found in violations(history)}


class TestCellsInOrder:
    @pytest.mark.parametrize(
        "cells",
        [
            (("started", 4), ("started", 5), ("finished", 5)),
            (("started", 5), ("finished", 5), ("started", 4), ("finished", 4)),
            (("started", 4), ("finished", 4), ("started", 4), ("finished", 4)),
            (("finished", 4),),
            (("started", 4), ("finished", 5)),
            (("started", 4),),
        ],
        ids=["two at once", "backwards", "twice", "never started", "another one", "never finished"],
    )
    def test_cells_run_one_after_the_other(self, cells: tuple[tuple[str, int], ...]) -> None:
        story = Story()
        story.runs("load", "fit")
        plot = story.worker("plot").takes().starts()
        for what, cell in cells:
            plot.tells(f"cell-{what}", cell=cell)
        plot.publishes().ends().forwards()
        assert broken(story.ends()) == {"cells-in-order"}

    def test_the_state_is_restored_before(self) -> None:
        story = Story()
        story.runs("load", "fit")
        story.worker("plot").takes().tells("started").cell(1).cell(2).publishes().ends().forwards()
        assert broken(story.ends()) == {"cells-in-order"}

    def test_another_attempt_begins_from_the_beginning(self) -> None:
        story = Story()
        story.runs("load", "fit")
        plot = story.worker("plot").works_halfway().is_lost().retries()
        plot.takes(2).starts().cell(2).publishes().ends().forwards()
        assert broken(story.ends()) == {"cells-in-order"}


class TestDeadAreSilent:
    def test_nothing_is_heard_of_a_worker_that_was_lost(self) -> None:
        story = Story()
        story.runs("load")
        fit = story.worker("fit").works_halfway()
        story.loses(fit)
        fit.tells("cell-finished", cell=3)
        story.worker("fit").works(2).publishes().ends().forwards()
        story.runs("plot")
        assert broken(story.ends()) == {"dead-are-silent"}

    def test_nothing_is_heard_of_a_worker_that_was_killed(self) -> None:
        story = Story(pods=True)
        story.runs("load")
        fit = story.worker("fit").works_halfway()
        story.strikes("kill", fit)
        story.later()
        fit.tells("cell-finished", cell=3)
        story.worker("fit").works(2).publishes().ends().forwards()
        story.runs("plot")
        assert broken(story.ends()) == {"dead-are-silent"}

    @pytest.mark.parametrize("known", ["lost", "killed"])
    def test_its_cells_process_does_not_outlive_it_and_publish(self, known: str) -> None:
        story = Story()
        story.runs("load")
        orphaned = story.worker("fit").works_halfway()
        if known == "killed":
            story.strikes("kill", orphaned)
            story.later()
        else:
            story.loses(orphaned)
        second = story.worker("fit").works(2)
        orphaned.publishes()
        second.ends("published", published=1).forwards()
        story.runs("plot")
        assert broken(story.ends()) == {"dead-are-silent"}


class TestOverIsOver:
    @pytest.mark.parametrize("word", ["started", "restored", "ran", "ended", "retried", "abandoned"])
    def test_after_passing_on_nothing_more_is_told(self, word: str) -> None:
        story = Story()
        story.runs("load", "fit")
        story.worker("plot").works().publishes().ends().forwards().tells(word)
        assert "over-is-over" in broken(story.ends())

    def test_a_message_is_passed_on_once(self) -> None:
        story = Story()
        story.runs("load", "fit")
        story.worker("plot").works().publishes().ends().forwards().forwards()
        assert broken(story.ends()) == {"over-is-over"}

    def test_whoever_abandons_a_message_passes_nothing_on(self) -> None:
        story = Story()
        story.runs("load")
        story.worker("fit").works().publishes().ends().abandons().forwards()
        story.runs("plot")
        assert broken(story.ends()) == {"over-is-over"}

    def test_an_attempt_that_ended_makes_no_progress(self) -> None:
        story = Story()
        story.runs("load", "fit")
        story.worker("plot").works().publishes().ends().tells("held", at="writing-result").forwards()
        assert broken(story.ends()) == {"over-is-over"}

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_what_is_missing_was_to_be_told_while_it_could_be(self, when: str) -> None:
        story = Story()
        story.runs("load")
        fit = story.worker("fit")
        if when == "before":
            story.strikes("fill-exchange", fit, seconds=2)
            story.later(10)
        fit.takes().starts().cell(1).cell(2).publishes().forwards()
        if when == "after":
            story.later(10)
            story.strikes("fill-exchange", fit, seconds=2)
        story.later(10)
        story.runs("plot")
        assert broken(story.ends()) == {"over-is-over"}

    def test_nobody_tells_of_what_it_has_not_taken(self) -> None:
        story = Story()
        story.runs("load", "fit")
        story.worker("plot").starts().cell(1).cell(2).publishes().ends().forwards()
        assert broken(story.ends()) == {"over-is-over"}

    def test_nobody_passes_on_what_has_no_end(self) -> None:
        story = Story()
        story.runs("load", "fit")
        story.worker("plot").works().publishes().forwards()
        assert broken(story.ends()) == {"over-is-over"}

    def test_a_worker_takes_the_next_message_when_it_is_done_with_the_last(self) -> None:
        story = Story()
        story.runs("load")
        story.worker("fit").works_halfway().works(2).publishes().ends().forwards()
        story.runs("plot")
        assert broken(story.ends()) == {"over-is-over"}
