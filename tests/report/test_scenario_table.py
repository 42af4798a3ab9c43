from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from j2k_dev.model.scenario import Listed
from j2k_dev.report.scenario_table import print_result, print_results, print_scenarios, verdict_line
from tests.report import scenario_results as made
from tests.report.consoles import console, text_of

PAGE = Path("/a" * 60) / "scenarios.html"
NOW = 1_800_000_000.0
CATALOGUE = (
    Listed("kill-stage-2", "The process that runs the cells is killed", ("local", "kind"), "", "survived", NOW - 7200),
    Listed(
        "restart-broker",
        "The broker is restarted between publishing and passing on",
        ("kind",),
        "",
        "broken",
        NOW - 200_000,
        ("the notebook changed", "the image of fit changed"),
    ),
    Listed("drain-node", "A node is drained in the middle of a run", ("kind",), "3 nodes"),
)


def flat(console: Console) -> str:
    return " ".join(text_of(console).split())


def test_the_catalogue_says_what_each_needs_and_its_last_verdict(terminal: Console) -> None:
    print_scenarios(terminal, CATALOGUE, NOW)
    rows = text_of(terminal).splitlines()
    assert rows[2].split() == ["kill-stage-2", "local", "or", "kind", "✓", "survived"]
    assert "2 h ago" in rows[3]
    assert "never run" in text_of(terminal)
    assert "stale: the notebook" in flat(terminal)


def test_elsewhere_the_catalogue_is_one_line_for_each(pipe: Console) -> None:
    print_scenarios(pipe, CATALOGUE, NOW)
    first, second, third = text_of(pipe).splitlines()
    assert first == "kill-stage-2    ✓ survived 2 h ago  local or kind  The process that runs the cells is killed"
    assert second == (
        "restart-broker  ✗ broken 2 d 7 h ago, stale: the notebook changed, the image of fit changed  kind  "
        "The broker is restarted between publishing and passing on"
    )
    assert third == "drain-node      never run  kind, 3 nodes  A node is drained in the middle of a run"
    print_scenarios(pipe, ())


def test_verdicts_are_a_table_with_the_reasons_below_the_worst_first(terminal: Console) -> None:
    print_results(terminal, made.all_kinds(), made.not_run(), PAGE)
    text = text_of(terminal)
    (row,) = [line for line in text.splitlines() if line.startswith("✓ survived") and "kill-stage-3" in line]
    assert row.split() == ["✓", "survived", "kill-stage-3", "194", "ms", "of", "3", "s", "fit", "2", "11", "s"]
    assert text.index("✗ kill-worker-stage-3: It did") < text.index("? hang-stage-1: No verdict")
    assert text.index("? hang-stage-1: No") < text.index("◷ restart-broker: It survived, but not in time")
    assert "drain-node was not run: It needs 3 nodes" in flat(terminal)
    assert "1 broke and 2 prove nothing" in flat(terminal)
    assert f"page  {PAGE}\n" in text


def test_elsewhere_verdicts_are_one_line_for_each(pipe: Console) -> None:
    print_results(pipe, made.all_kinds(), (), PAGE)
    lines = text_of(pipe).splitlines()
    assert lines[2] == (
        "✗ broken         kill-worker-stage-3         recovery none (6 s allowed), attempts 1 each, took 2 min"
    )
    assert lines[3] == "? invalid        hang-stage-1                attempts 1 each, took 9.2 s"


def test_no_verdicts_are_said_to_be_none(pipe: Console) -> None:
    print_results(pipe, (), made.not_run()[:1], PAGE)
    lines = text_of(pipe).splitlines()
    assert lines[:2] == ["· drain-node was not run: It needs 3 nodes; this sandbox has 1.", "1 scenario was not run."]
    print_results(other := console(terminal=False), (), (), PAGE)
    assert text_of(other).startswith("Nothing was run.\n")


def test_one_verdict_shows_expectations_proof_violations_and_where_more_is(terminal: Console) -> None:
    print_result(terminal, made.broken(), PAGE)
    text = text_of(terminal)
    assert text.startswith("✗ broken  kill-worker-stage-3: The worker is killed between publishing and")
    assert "\n  ✗ publications  fit 0, report 0 (expected: one per stage)\n" in text
    assert "\n  ✓ dead letters  0\n" in text
    assert "it happened: The worker's process 4093 got SIGKILL and is gone." in flat(terminal)
    assert "violation: order: stage report started cell 13" in flat(terminal)
    assert text.endswith(f"page  {PAGE}\n")


def test_one_that_proves_nothing_says_why(pipe: Console) -> None:
    print_result(pipe, made.invalid(), PAGE)
    assert "    no proof that it happened: SIGSTOP went to process 4100, which was still seen" in text_of(pipe)
    print_result(pipe, made.never_struck(), PAGE)
    assert "fault: none was made, so nothing was tried" in text_of(pipe)


def test_cells_that_were_run_again_are_counted(pipe: Console) -> None:
    print_result(pipe, made.survived(), PAGE)
    assert "\nattempts fit 2 (2 cells run again), run 20250303-110640-k3, engine local, 11 s, started" in text_of(pipe)


def test_a_verdict_fits_a_line(pipe: Console) -> None:
    assert verdict_line(made.survived()).plain == ("✓ survived  kill-stage-3  recovery 194 ms (3 s allowed), took 11 s")
    assert verdict_line(made.invalid()).plain == "? invalid  hang-stage-1  took 9.2 s"


def test_nothing_is_wider_than_the_terminal(terminal: Console) -> None:
    long = [
        replace(
            result, scenario=f"a-scenario-with-the-longest-name-there-is-{number}", why="w" * 200 + " " + "x y" * 90
        )
        for number, result in enumerate(made.all_kinds())
    ]
    print_results(terminal, long, made.not_run(), Path("/p.html"))
    for result in long:
        print_result(terminal, result, Path("/p.html"))
    named = [replace(each, scenario=each.scenario * 5, title=each.title * 5) for each in CATALOGUE]
    print_scenarios(terminal, named)
    assert max(map(len, text_of(terminal).splitlines())) <= 80


def test_a_word_longer_than_a_line_is_not_changed_where_it_is_broken(terminal: Console) -> None:
    word = "".join(f"{number:03}" for number in range(90))
    print_results(terminal, (replace(made.broken(), why=word),), (), PAGE)
    assert word in "".join(line.strip() for line in text_of(terminal).splitlines())


def test_hostile_text_cannot_command_the_terminal() -> None:
    colours = Console(file=io.StringIO(), width=80, force_terminal=True)
    evil = "\x1b]0;title\x07\x1b[2J[red]x"
    result = replace(made.hostile(), why=evil, scenario=evil, title=evil, run=evil)
    print_result(colours, result, PAGE)
    print_results(colours, (result,), (replace(made.not_run()[0], why=evil, scenario=evil),), PAGE)
    print_scenarios(colours, (replace(CATALOGUE[0], scenario=evil, title=evil, needs=evil, stale=(evil,)),))
    assert "\x1b]" not in text_of(colours)
    assert "\x1b[2J" not in text_of(colours)
    assert "[red]x" in text_of(colours)
