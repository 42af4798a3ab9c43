"""How progress looks: lines in a log, a table on a terminal, nothing when quiet."""

import io

import pytest
from rich.console import Console

from j2k_dev.actions.ui import PodsEvent, StageEvent, Ui
from j2k_dev.cli.progress import PlainUi, QuietUi, RichUi, make_ui


def console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=80, _environ={"TERM": "xterm"})


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def act(ui: Ui) -> None:
    """Do what an action does."""
    with ui.step("recording [a].ipynb"):
        ui.cell_started(None, 0, 1, "import numpy as np")
        ui.cell_finished(None, 0, 1, 0.25)
    ui.note("the notebook runs in [python]")
    with ui.step("running"):
        ui.stages([("load", 1), ("fit", 2)])
        ui.stage(StageEvent("load", "reused"))
        ui.stage(StageEvent("fit", "running"))
        ui.cell_started("fit", 3, 2, "\n\nmodel.fit(" + "x" * 100)
        ui.stage(StageEvent("fit", "lost", 1, "killed by SIGKILL"))
        ui.stage(StageEvent("fit", "running", 2))
        ui.cell_finished("fit", 3, 2, 1.5)
        ui.stage(StageEvent("fit", "published", 2))


def test_the_way_of_showing_it_fits_the_console() -> None:
    assert isinstance(make_ui(console(terminal=True), quiet=True), QuietUi)
    assert isinstance(make_ui(console(terminal=True), quiet=False), RichUi)
    assert isinstance(make_ui(console(terminal=False), quiet=False), PlainUi)


def test_quiet_shows_nothing() -> None:
    act(QuietUi())


def test_a_log_has_a_line_for_each_thing_that_happened() -> None:
    log = console(terminal=False)
    act(PlainUi(log))
    lines = [line for line in written(log).splitlines() if "done in" not in line]
    assert lines == [
        "recording [a].ipynb ...",
        "  cell 0 took 250 ms (1 of 1)",
        "note: the notebook runs in [python]",
        "running ...",
        "  2 stages: load, fit",
        "  load: reused",
        "  fit: running",
        "  fit: lost (killed by SIGKILL)",
        "  fit: running, attempt 2",
        "  fit: cell 3 took 1.5 s (1 of 2)",
        "  fit: published, attempt 2",
    ]


def test_a_log_says_that_a_step_was_stopped() -> None:
    log = console(terminal=False)
    with pytest.raises(KeyboardInterrupt), PlainUi(log).step("running"):
        raise KeyboardInterrupt
    assert "running: stopped after" in written(log)


def test_a_terminal_keeps_a_line_for_each_step_and_each_lost_worker() -> None:
    terminal = console(terminal=True)
    act(RichUi(terminal))
    text = written(terminal)
    assert "recording [a].ipynb" in text
    assert "the notebook runs in [python]" in text
    assert "fit: lost (killed by SIGKILL)" in text
    assert text.count("✓") >= 2


def test_a_terminal_shows_stages_and_the_cell_that_runs() -> None:
    terminal = console(terminal=True)
    ui = RichUi(terminal)
    ui.stage(StageEvent("load", "reused"))
    ui.stages([("load", 1), ("fit", 2)])
    with ui.step("running"):
        ui.stage(StageEvent("fit", "running"))
        ui.cell_started("fit", 3, 2, "model.fit()")
        ui.cell_finished("fit", 2, 2, 0.1)
        plain = Console(file=io.StringIO(), width=80)
        plain.print(ui._render())
    lines = [line.split() for line in written(plain).splitlines()]
    assert lines[1][:4] == ["✓", "load", "1/1", "reused"]
    assert lines[2][:3] == ["▶", "fit", "1/2"]
    assert lines[3] == ["fit,", "cell", "3", "model.fit()"]


def test_a_terminal_shows_which_step_failed() -> None:
    terminal = console(terminal=True)
    with pytest.raises(ValueError, match="no"), RichUi(terminal).step("running"):
        raise ValueError("no")
    assert "✗" in written(terminal)


def test_a_log_names_what_is_wrong_with_pods_once_and_counts_none() -> None:
    out = console(terminal=False)
    ui = PlainUi(out)
    for told, trouble in (("1 pulling", ""), ("1 troubled", "no image"), ("1 troubled", "no image"), ("1 ready", "")):
        ui.pods(PodsEvent("fit", told, trouble))
    assert written(out) == "  fit: no image\n"


def test_a_terminal_shows_the_pods_of_each_stage_and_what_is_wrong_with_them() -> None:
    out = console(terminal=True)
    ui = RichUi(out)
    with ui.step("running"):
        ui.stages([("load", 1), ("fit", 2)])
        ui.pods(PodsEvent("load", "1 pulling, 2 ready"))
        ui.pods(PodsEvent("fit", "1 troubled", "no node has room for it"))
        out.print(ui._render())
    shown = written(out)
    assert "1 pulling, 2 ready" in shown
    assert "fit: no node has room for it" in shown
