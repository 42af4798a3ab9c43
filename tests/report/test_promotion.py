"""Promotions as they are printed: for people on a terminal of 80 columns, and as plain lines elsewhere."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from j2k_dev.promote.model import Change, FieldChange
from j2k_dev.report.promotion import print_history, print_plan, print_release
from tests.promote.made_plan import CHANGES, NOW, plan, release
from tests.report.consoles import text_of

GOLDEN = Path(__file__).with_name("golden")


def test_a_plan_is_printed_on_a_terminal_as_people_read_it(terminal: Console) -> None:
    print_plan(terminal, plan(), Path("plan.json"))
    assert text_of(terminal) == (GOLDEN / "promotion-terminal.txt").read_text()


def test_elsewhere_each_thing_has_a_line(pipe: Console) -> None:
    print_plan(pipe, plan(), Path("plan.json"))
    assert text_of(pipe) == (GOLDEN / "promotion-plain.txt").read_text()


def test_colours_are_for_terminals_only() -> None:
    coloured = Console(file=io.StringIO(), width=80, force_terminal=True, color_system="standard")
    plain = Console(file=io.StringIO(), width=80, force_terminal=False)
    print_plan(coloured, plan())
    print_plan(plain, plan())
    assert "\x1b[" in text_of(coloured)
    assert "\x1b[" not in text_of(plain)


def test_no_line_on_a_terminal_is_wider_than_it(terminal: Console) -> None:
    print_plan(terminal, plan())
    print_history(terminal, [release(1), release(2, state="failed", reason="x" * 200)], NOW)
    assert max(map(len, text_of(terminal).splitlines())) <= 80


def test_a_first_release_takes_nobodys_place(pipe: Console) -> None:
    print_plan(pipe, plan(release=1, previous=None))
    assert "release 1, the first" in text_of(pipe)


def test_what_is_promoted_without_evidence_says_why(pipe: Console) -> None:
    print_plan(pipe, plan(proofs=(), without_evidence="the demo is in ten minutes"))
    assert "! promoted without evidence: the demo is in ten minutes" in text_of(pipe)


def test_ages_are_counted_to_now(pipe: Console) -> None:
    print_plan(pipe, plan(), now=NOW + 3 * 24 * 3600)
    assert "equal, 3 d 2 h ago" in text_of(pipe)


def test_a_plan_that_changes_nothing_says_so(pipe: Console) -> None:
    same = tuple(replace(change, action="same", fields=(), told="") for change in CHANGES)
    print_plan(pipe, plan(changes=same))
    assert "nothing changes" in text_of(pipe)
    assert "Deployment" not in text_of(pipe).partition("Images")[0]


def test_without_anything_against_it_nothing_is_said_against_it(pipe: Console) -> None:
    allowed = tuple(replace(right, allowed=True) for right in plan().rights)
    print_plan(pipe, plan(lacks=(), findings=(), advice=(), rights=allowed))
    assert "all 3 that are needed are there" in text_of(pipe)
    assert "✗ " not in text_of(pipe).partition("Images")[2]


def test_long_values_are_cut_and_what_is_on_one_side_says_which(pipe: Console) -> None:
    fields = (
        FieldChange("data.ca", None, "-----BEGIN CERTIFICATE-----\n" + "A" * 1000),
        FieldChange("spec.template.spec.volumes[x]", {"name": "x", "emptyDir": {}}, None),
        FieldChange("data.empty", "", "a"),
    )
    print_plan(pipe, plan(changes=(Change("ConfigMap", "kafka", "n", "change", fields),)))
    told = text_of(pipe)
    assert "data.ca: added -----BEGIN CERTIFICATE----- AAAA" in told
    assert max(map(len, told.splitlines())) < 300
    assert 'spec.template.spec.volumes[x]: removed {"name": "x", "emptyDir": {}}' in told
    assert 'data.empty: "" → a' in told


def test_what_was_written_by_others_can_not_draw_on_the_terminal(terminal: Console) -> None:
    field = FieldChange("data.x", "\x1b[31mred", "[bold]x[/bold]", "evil\x1b[2J")
    print_plan(terminal, plan(changes=(Change("ConfigMap", "a", "n", "conflict", (field,)),)))
    assert "\x1b" not in text_of(terminal)
    assert "[bold]x[/bold]" in text_of(terminal)


def test_the_history_has_the_newest_first_with_what_became_of_each(pipe: Console) -> None:
    releases = [
        release(1, state="superseded", proofs=(), without_evidence="a demo"),
        release(2, state="failed", reason="cell 4 differs"),
        release(3),
    ]
    print_history(pipe, releases, NOW)
    lines = text_of(pipe).splitlines()
    assert [line.split()[:2] for line in lines if line[2].isdigit()] == [
        ["3", "live"],
        ["2", "failed"],
        ["1", "superseded"],
    ]
    assert lines[0].endswith("by ada@laptop, eeeeeeeeeeee, run 20270115-090000-dddddd, in place of 2")
    assert "failed: cell 4 differs" in text_of(pipe)
    assert "without evidence: a demo" in text_of(pipe)
    assert "proven: verify equal, kill-stage-2 survived, restart-broker survived late" in text_of(pipe)


def test_without_releases_it_is_said(pipe: Console) -> None:
    print_history(pipe, [], NOW)
    assert text_of(pipe) == "Nothing was promoted there yet.\n"


def test_a_release_that_is_being_applied_says_so(pipe: Console) -> None:
    print_release(pipe, release(4, state="applying", run=""), NOW)
    assert text_of(pipe).startswith("  4  applying    ")
    assert "run " not in text_of(pipe).splitlines()[0]
