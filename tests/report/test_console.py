from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from j2k_dev.model.errors import Refused
from j2k_dev.model.recording import PROCESS_ENDED, CellError
from j2k_dev.model.run import CellDifference
from j2k_dev.report.console import print_cell_error, print_error, print_plan, print_run
from tests.report.consoles import text_of


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=80)


def flat(console: Console) -> str:
    return " ".join(text_of(console).split())


def test_a_plan_shows_stages_graph_and_the_reason_of_each_boundary(sample: Any, console: Console) -> None:
    print_plan(console, sample.pipeline, sample.recording)
    text = text_of(console)
    assert "4 stages for 8 code cells; the notebook alone takes 11 s" in text
    assert "fit       6-8      7.9 s        510 MB" in text
    assert "▼ fit\n│  57 MB\n▼ report" in text
    assert "load → fit  57 MB\n  frame (DataFrame, 41 MB)" in text
    assert "whose generator 'rows' can't travel." in flat(console)


def test_a_run_shows_verdict_stages_unstable_cells_and_where_things_are(sample: Any, console: Console) -> None:
    paths = {"executed notebook": Path("/a" * 60) / "notebook.ipynb", "report": Path("/r.html")}
    print_run(console, sample.summary, paths)
    text = text_of(console)
    assert text.startswith("equal  Every output of the pipeline")
    assert "fit       6-8         2    7.9 s   57 MB   20 KB        510 MB" in text
    assert "unstable  cell 7" in text
    assert "attempt 1: worker lost after 2.3 s (killed by signal 9)" in flat(console)
    assert f"executed notebook  {paths['executed notebook']}\n" in text
    assert "report             /r.html\n" in text


def test_differences_show_both_values(different: Any, console: Console) -> None:
    print_run(console, different.summary, {})
    assert "Cell 3, text/html\n  the notebook gave:\n    mean 0.3456\n    std 0.8216\n" in text_of(console)
    assert "  the pipeline gave:\n    mean 0.3456\n    std 0.8217\n" in text_of(console)


def test_a_failed_run_shows_the_traceback_and_stages_that_did_not_run(failed: Any, console: Console) -> None:
    stages = (*failed.summary.stages[:-1], replace(failed.summary.stages[-1], attempts=0))
    print_run(console, replace(failed.summary, stages=stages), {})
    assert "failed  Cell 10 raised ZeroDivisionError: division by zero." in text_of(console)
    assert "----> 1 total / 0" in text_of(console)
    assert "10-11   not run" in text_of(console)


def test_a_recording_that_raised_has_no_stages_to_show(failed: Any, console: Console) -> None:
    print_run(console, replace(failed.summary, stages=()), {})
    assert "tries" not in text_of(console)
    assert "──" not in text_of(console)


def test_an_exception_without_traceback_is_told_once(failed: Any, console: Console) -> None:
    error = CellError(10, PROCESS_ENDED, "the cell's process was killed by SIGKILL", ())
    print_cell_error(console, error, "os.abort()")
    print_run(console, replace(failed.summary, stages=(), error=error), {})
    assert text_of(console).startswith("Cell 10 ended its own process:\n---")
    assert "Cell 10 did not end: the cell's process was killed by SIGKILL." in flat(console)
    assert flat(console).count("SIGKILL") == 1


def test_nothing_is_wider_than_the_terminal(sample: Any, different: Any, console: Console) -> None:
    long = tuple(
        replace(stage, name=f"a-stage-with-the-longest-name-there-is-{n}", cells=tuple(range(n, 99, 2)))
        for n, stage in enumerate(sample.summary.stages)
    )
    print_run(console, replace(different.summary, stages=long), {})
    print_plan(console, sample.pipeline, sample.recording)
    assert max(map(len, text_of(console).splitlines())) <= 80


def test_colours_appear_on_a_terminal_only(sample: Any, console: Console) -> None:
    terminal = Console(file=io.StringIO(), width=80, force_terminal=True, color_system="standard", no_color=False)
    for target in (console, terminal):
        print_run(target, sample.summary, {})
    assert "\x1b[" not in text_of(console)
    assert "\x1b[1;32mequal\x1b[0m" in text_of(terminal)


def test_an_error_says_what_and_the_way_out_and_its_detail_only_when_asked(console: Console) -> None:
    error = Refused("the generator 'rows' [of cell 5] can't travel", "Turn it into a list.", "Traceback …")
    print_error(console, error)
    assert text_of(console) == (
        "refused: the generator 'rows' [of cell 5] can't travel\nway out: Turn it into a list.\n"
    )
    print_error(console, error, verbose=True)
    assert text_of(console).endswith("Traceback …\n")


def test_a_cell_that_raised_is_shown_with_source_and_traceback(console: Console) -> None:
    error = CellError(4, "ValueError", "x", ("\x1b[31mValueError\x1b[0m: x",))
    print_cell_error(console, error, "raise ValueError('x')  # [bold]\n")
    assert text_of(console) == (
        "Cell 4 raised while it ran:\n------------------\nraise ValueError('x')  # [bold]\n------------------\n"
        "ValueError: x\n"
    )


def test_what_a_notebook_says_cannot_command_the_terminal(sample: Any) -> None:
    terminal = Console(file=io.StringIO(), width=80, force_terminal=True)
    evil = "\x1b]0;title\x07\x1b[2J\udc80[red]x"
    error = CellError(1, "E", evil, (evil,))
    difference = CellDifference(1, "stdout", evil, "other")
    print_run(terminal, sample.with_summary(verdict="failed", error=error, differences=(difference,)).summary, {})
    print_error(terminal, Refused(evil, evil, evil), verbose=True)
    print_cell_error(terminal, error, evil)
    text = text_of(terminal)
    assert "\x1b]" not in text
    assert "\x1b[2J" not in text
    assert "[red]x" in text
    text.encode()
