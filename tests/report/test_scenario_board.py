from __future__ import annotations

from typing import TYPE_CHECKING

from j2k_dev.report.scenario_board import LiveBoard, board
from tests.report import scenario_results as made
from tests.report.consoles import console, text_of

if TYPE_CHECKING:
    from rich.console import Console

NAMES = [result.scenario for result in made.all_kinds()] + [scenario.scenario for scenario in made.not_run()]


def rows(live: LiveBoard, target: Console) -> dict[str, str]:
    """Draw it once, and tell what each row says of its scenario."""
    before = len(text_of(target))
    target.print(live.render())
    lines = text_of(target)[before:].splitlines()
    return {name: line for name in NAMES for line in lines if f" {name} " in f"{line} "} | {"": lines[-1].strip()}


def test_the_table_shows_what_is_pending_running_and_done() -> None:
    target = console(terminal=True)
    live = LiveBoard(target, NAMES)
    live.ended(made.survived())
    live.ended(made.broken())
    live.left_out(made.not_run()[0])
    live.begins("hang-stage-1")
    live.does("waiting for stage load")
    shown = rows(live, target)
    assert " ".join(shown["kill-stage-3"].split()) == "✓ survived kill-stage-3 194 ms (3 s allowed), took 11 s"
    assert shown["restart-broker"].split() == ["·", "pending", "restart-broker"]
    assert "✗ broken" in shown["kill-worker-stage-3"]
    assert "running" in shown["hang-stage-1"]
    assert "0 s  waiting for stage load" in shown["hang-stage-1"]
    assert "not run" in shown["drain-node"]
    assert "It needs 3 nodes" in shown["drain-node"]
    assert shown[""] == "3 of 8 done; 1 survived, 1 broken"


def test_a_small_terminal_shows_the_rows_around_the_one_that_runs() -> None:
    target = console(terminal=True, height=7)
    live = LiveBoard(target, NAMES)
    live.begins("raise-after-delete")
    shown = rows(live, target)
    assert "raise-after-delete" in shown
    assert len(shown) == 4
    assert shown[""] == "0 of 8 done; 5 not shown"
    live.ended(made.raised())
    assert len(rows(live, target)) == 4


def test_nothing_is_wider_than_the_terminal_nor_broken_over_two_lines() -> None:
    target = console(terminal=True)
    live = LiveBoard(target, ["n" * 100, *NAMES])
    live.begins("n" * 100)
    live.does("w" * 200)
    target.print(live.render())
    lines = text_of(target).splitlines()
    assert len(lines) == len(NAMES) + 2
    assert max(map(len, lines)) <= 80


def test_on_a_terminal_nothing_stays_of_the_table() -> None:
    target = console(terminal=True)
    with board(target, NAMES) as live:
        assert isinstance(live, LiveBoard)
        live.begins("kill-stage-3")
        live.ended(made.survived())
    assert text_of(target).endswith("\x1b[2K")


def test_elsewhere_there_is_a_line_when_one_begins_and_one_when_it_ends() -> None:
    target = console(terminal=False)
    with board(target, NAMES) as lines:
        lines.begins("kill-stage-3")
        lines.does("waiting")
        lines.ended(made.survived())
        lines.left_out(made.not_run()[0])
    assert text_of(target).splitlines() == [
        "scenario 1 of 8: kill-stage-3 ...",
        "✓ survived  kill-stage-3  recovery 194 ms (3 s allowed), took 11 s",
        "· not run  drain-node  It needs 3 nodes; this sandbox has 1.",
    ]


def test_quiet_is_quiet() -> None:
    target = console(terminal=True)
    with board(target, NAMES, quiet=True) as nothing:
        nothing.begins("kill-stage-3")
        nothing.does("waiting")
        nothing.ended(made.survived())
        nothing.left_out(made.not_run()[0])
    assert text_of(target) == ""
