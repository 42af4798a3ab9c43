"""Where stages begin, what they are called, what is said about it, and what holds for any notebook."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from j2k_dev.model.errors import Refused
from j2k_dev.model.recording import CellError, FileUse, Variable
from j2k_dev.notebook.planning import plan, slug
from j2k_dev.notebook.source import inject_parameters
from tests.notebook.plans import GENERATOR, MIB, Code, cells_of, made, names_of

# Tags and first lines


def test_stages_begin_where_tags_and_first_lines_say_so() -> None:
    pipeline = plan(*made(Code(), Code(tags=("stage:Train it",)), Code(), Code("# j2k: stage plot\nx = 2")))
    assert cells_of(pipeline) == [(0,), (1, 2), (3,)]
    assert names_of(pipeline) == ["stage-1", "train-it", "plot"]
    assert [edge.why for edge in pipeline.edges] == [
        "cell 1 says so: tag 'stage:Train it'",
        "cell 3 says so: first line '# j2k: stage plot'",
    ]
    assert [(edge.source, edge.target) for edge in pipeline.edges] == [("stage-1", "train-it"), ("train-it", "plot")]


def test_the_same_tag_on_neighbouring_cells_is_one_stage_and_later_again_another() -> None:
    tagged = [Code(tags=(f"stage:{name}",)) for name in ("a", "a", "b", "a")]
    pipeline = plan(*made(*tagged))
    assert cells_of(pipeline) == [(0, 1), (2,), (3,)]
    assert names_of(pipeline) == ["a", "b", "a-2"]


def test_tags_win_over_headings() -> None:
    pipeline = plan(*made("# A", Code(), Code(tags=("stage:b",)), "# C", Code()))
    assert cells_of(pipeline) == [(1,), (2, 4)]


def test_a_tag_on_the_first_cell_alone_names_it_and_leaves_the_cutting_to_others() -> None:
    pipeline = plan(*made(Code(tags=("stage:load",)), "# A", Code(), "# B", Code()))
    assert names_of(pipeline) == ["load", "a", "b"]


def test_injected_parameters_belong_to_the_first_stage() -> None:
    notebook, recording = made(Code(tags=("injected-parameters",)), Code(tags=("stage:a",)), Code(tags=("stage:b",)))
    pipeline = plan(notebook, recording)
    assert (names_of(pipeline), cells_of(pipeline)) == (["a", "b"], [(0, 1), (2,)])
    assert inject_parameters(notebook, {"x": 1}).cells[0].tags == notebook.cells[0].tags


def test_split_tags_without_tags_is_one_stage_and_says_why() -> None:
    pipeline = plan(*made("# A", Code(), "# B", Code()), "tags")
    assert cells_of(pipeline) == [(1, 3)]
    assert "no cell asks for another" in pipeline.notes[-1]


def test_a_tag_on_a_cell_that_does_not_run_gives_way_to_the_next() -> None:
    pipeline = plan(*made(Code(), Code(" ", tags=("stage:a",)), Code(tags=("stage:b",))))
    assert (names_of(pipeline), cells_of(pipeline)) == (["stage-1", "b"], [(0, 1), (2,)])
    assert "stage 'a' has no code that runs" in pipeline.notes[0]


def test_blank_cells_stay_with_the_cell_before() -> None:
    pipeline = plan(*made(Code(""), Code(), Code("\n"), Code(tags=("stage:b",)), Code("")))
    assert cells_of(pipeline) == [(0, 1, 2), (3, 4)]


# Headings


def test_stages_begin_at_the_highest_headings_that_divide_the_code() -> None:
    pipeline = plan(
        *made(
            "# Title", Code(), "## Load\ntext\n### Detail", Code(), "### Detail", Code(), "## 2. Plot", Code(), "# End"
        )
    )
    assert cells_of(pipeline) == [(1,), (3, 5), (7,)]
    assert names_of(pipeline) == ["title", "load", "stage-2-plot"]
    assert pipeline.edges[0].why == "heading 'Load'"


def test_headings_that_divide_no_code_are_passed_over() -> None:
    pipeline = plan(*made("# A\n\n# B", Code(), "## C", Code(), "## D", Code(), "# Links\n\n# Thanks"))
    assert cells_of(pipeline) == [(1,), (3,), (5,)]


def test_auto_joins_the_shortest_sections_where_headings_are_many() -> None:
    seconds = [5, 1, 1, 5, 5, 5, 5, 5, 5]
    cells = [cell for number, s in enumerate(seconds) for cell in (f"# Part {number}", Code(seconds=s))]
    pipeline = plan(*made(*cells))
    assert len(pipeline.stages) == 8
    assert pipeline.stages[1].cells == (3, 5)
    assert "the headings give 9 sections" in pipeline.notes[0]
    assert len(plan(*made(*cells), "headings").stages) == 9


def test_split_headings_without_headings_is_one_stage_and_says_why() -> None:
    pipeline = plan(*made(Code(), "# Once", Code()), "headings")
    assert cells_of(pipeline) == [(0, 2)]
    assert "no heading level occurs twice" in pipeline.notes[-1]


# By what the recording measured


@pytest.mark.parametrize("count", [4, 5, 8, 20, 100])
def test_a_lost_worker_costs_about_a_quarter_of_an_even_run(count: int) -> None:
    pipeline = plan(*made(*[Code() for _ in range(count)]))
    assert 4 <= len(pipeline.stages) <= 8
    assert max(stage.seconds for stage in pipeline.stages) <= 0.34 * count


def test_even_stages_are_even_however_short_the_run() -> None:
    for seconds in (0.0, 0.0001, 0.01, 1000.0):
        pipeline = plan(*made(*[Code(seconds=seconds) for _ in range(20)]))
        assert 4 <= len(pipeline.stages) <= 8
        assert max(len(cells) for cells in cells_of(pipeline)) <= 6


def test_cells_that_take_no_time_are_not_split_off() -> None:
    pipeline = plan(*made(*[Code(seconds=s) for s in (0, 0, 10, 0, 0, 10, 0, 0)]))
    assert len(pipeline.stages) == 2
    assert [stage.seconds for stage in pipeline.stages] == [10, 10]


def test_there_are_two_stages_even_where_one_cell_takes_all_the_time() -> None:
    assert cells_of(plan(*made(Code(seconds=0), Code(seconds=100)))) == [(0,), (1,)]


def test_little_crosses_where_the_balance_allows_it() -> None:
    big = (Variable("x", "ndarray", 1 << 30, 0),)
    cells = [Code("x = f(x)", live=() if number in {5, 11, 17} else big) for number in range(24)]
    pipeline = plan(*made(*cells))
    assert [stage.cells[-1] for stage in pipeline.stages] == [5, 11, 17, 23]
    assert all("balances the work" in edge.why for edge in pipeline.edges)


def test_one_cell_is_one_stage() -> None:
    pipeline = plan(*made("# A", Code(), "# B"))
    assert cells_of(pipeline) == [(1,)]
    assert pipeline.edges == ()
    assert "one code cell" in pipeline.notes[0]


def test_another_language_is_one_stage_and_wishes_for_more_are_noted() -> None:
    julia = made(Code(tags=("stage:a",)), Code(tags=("stage:b",)), Code("# j2k: stage c"), language="julia")
    pipeline = plan(*julia, "cells")
    assert [(stage.name, stage.cells) for stage in pipeline.stages] == [("a", (0, 1, 2))]
    assert pipeline.notes == (
        "the kernel is not Python but julia, whose state can't be split: the notebook runs as one stage",
        "no stage begins at cell 1, 2, though asked for there",
        "--split cells changes nothing",
    )


def test_another_language_without_wishes_has_one_note() -> None:
    pipeline = plan(*made(Code(), Code(), language="julia"))
    assert [stage.cells for stage in pipeline.stages] == [(0, 1)]
    assert len(pipeline.notes) == 1


# Boundaries that can't be cut


def test_a_boundary_is_moved_to_the_nearest_safe_one_and_the_reason_is_named() -> None:
    stuck: dict[str, Any] = {"live": (GENERATOR,)}
    pipeline = plan(*made(Code(), Code("g = f()", **stuck), Code(tags=("stage:b",), **stuck), Code("next(g)"), Code()))
    assert cells_of(pipeline) == [(0,), (1, 2, 3, 4)]
    assert pipeline.edges[0].why == (
        "cell 2 says so: tag 'stage:b', moved from cell 2 to cell 1: "
        "variable 'g' (cell 1) can't be handed over: a live generator"
    )
    assert "stage 'b' was moved from cell 2 to cell 1: variable 'g' (cell 1)" in pipeline.notes[0]


def test_of_two_equally_near_boundaries_the_later_is_taken() -> None:
    pipeline = plan(*made(Code(), Code("g = f()", live=(GENERATOR,)), Code("next(g)", tags=("stage:b",)), Code()))
    assert cells_of(pipeline) == [(0, 1, 2), (3,)]


def test_a_boundary_that_no_safe_one_is_near_is_dropped_with_a_note() -> None:
    thread: dict[str, Any] = {"obstacles": ("thread 'worker', started by cell 0",)}
    cells = [Code(**thread), Code(tags=("stage:b",), **thread), Code(tags=("stage:c",))]
    pipeline = plan(*made(*cells), "tags")
    assert cells_of(pipeline) == [(0, 1, 2)]
    assert [("no stage begins at cell" in note, "thread 'worker'" in note) for note in pipeline.notes[:2]] == [
        (True, True)
    ] * 2
    assert "no boundary that could be cut is safe" in pipeline.notes[-1]


def test_a_moved_boundary_does_not_pass_its_neighbours() -> None:
    stuck: dict[str, Any] = {"live": (GENERATOR,)}
    cells = [Code("g = f()", **stuck), Code(tags=("stage:b",), **stuck), Code("next(g)", tags=("stage:c",)), Code()]
    pipeline = plan(*made(*cells))
    assert (names_of(pipeline), cells_of(pipeline)) == (["stage-1", "c"], [(0, 1, 2), (3,)])


def test_split_cells_cuts_wherever_it_is_safe_and_says_what_stays_together() -> None:
    stuck: dict[str, Any] = {"live": (GENERATOR,)}
    pipeline = plan(*made(Code(), Code("g = f()", **stuck), Code(**stuck), Code("next(g)"), Code()), "cells")
    assert cells_of(pipeline) == [(0,), (1, 2, 3), (4,)]
    assert pipeline.notes == (
        "cells 1 to 3 stay together: variable 'g' (cell 1) can't be handed over: a live generator",
    )


def test_where_no_boundary_is_safe_there_is_one_stage_with_a_note() -> None:
    pipeline = plan(*made(Code(obstacles=("thread 'a'",)), Code(obstacles=("thread 'a'",)), Code()))
    assert cells_of(pipeline) == [(0, 1, 2)]
    assert pipeline.notes[0] == "cells 0 to 2 stay together: what is live there can't be handed over: thread 'a'"


def test_a_boundary_that_was_not_recorded_is_not_cut() -> None:
    notebook, recording = made(Code(), Code(), Code())
    pipeline = plan(notebook, replace(recording, boundaries=recording.boundaries[1:]), "cells")
    assert cells_of(pipeline) == [(0, 1), (2,)]


def test_no_stage_begins_while_a_module_on_disk_is_not_the_one_in_memory() -> None:
    rewritten = (FileUse("helpers.py", "written", 10),)
    cells = [
        Code("%%writefile helpers.py", files=rewritten),
        Code("import helpers", modules=("helpers",)),
        Code("rewrite()", files=rewritten),
        Code("helpers.f()"),
        Code("importlib.reload(helpers)"),
        Code(),
    ]
    pipeline = plan(*made(*cells), "cells")
    assert cells_of(pipeline) == [(0,), (1,), (2, 3, 4), (5,)]
    assert "cell 2 rewrote helpers.py after it had been imported" in pipeline.notes[0]


def test_a_cell_that_raised_as_expected_is_as_good_as_any() -> None:
    raised = {"error": CellError(0, "ValueError", "x", ())}
    assert cells_of(plan(*made(Code("1 / 0", tags=("raises-exception",), extra=raised), Code()), "cells")) == [
        (0,),
        (1,),
    ]


def test_the_recording_of_another_notebook_is_refused() -> None:
    notebook, _ = made("# A", Code())
    _, recording = made(Code(), Code())
    with pytest.raises(Refused, match=r"not one of My analysis\.ipynb"):
        plan(notebook, recording)


# Names


@pytest.mark.parametrize(
    ("given_name", "label"),
    [
        ("Load data", "load-data"),
        ("3. Übung: naïve Bayes!", "stage-3-ubung-naive-bayes"),
        ("データ", ""),
        ("---", ""),
        ("x" * 50, "x" * 40),
        ("a" * 39 + " b", "a" * 39),
    ],
)
def test_a_name_becomes_a_dns_label(given_name: str, label: str) -> None:
    assert slug(given_name) == label


# Any notebook at all

NAMES = st.sampled_from(["a", "b", "c"])
SOURCES = st.one_of(
    st.tuples(NAMES, NAMES).map(lambda t: f"{t[0]} = {t[1]}"),
    NAMES.map(lambda n: f"def f(): return {n}"),
    NAMES.map(lambda n: f"x = '{n} is here'"),
    NAMES.map(lambda n: f"{n}"),
    st.sampled_from(["pass", "x = 1", "", "eval('1')", "os.environ['x'] = '1'", "# j2k: stage one\nx = 1"]),
)
VARIABLES = st.builds(
    Variable,
    NAMES,
    st.sampled_from(["generator", "DataFrame"]),
    st.sampled_from([10, 2 * MIB]),
    st.just(0),
    st.sampled_from([None, None, None, "stuck"]),
)
CODES = st.builds(
    Code,
    SOURCES,
    st.floats(0, 100),
    st.lists(VARIABLES, max_size=3, unique_by=lambda v: v.name).map(tuple),
    st.sampled_from([(), (), (), ("thread",)]),
    st.sampled_from([(), (), ("stage:one",), ("stage:two",)]),
)
NOTEBOOKS = st.lists(CODES | st.sampled_from(["# One", "## Two", "## Three", "text"]), min_size=1, max_size=12).filter(
    lambda cells: any(isinstance(cell, Code) and cell.source for cell in cells)
)
SPLITS = st.sampled_from(["auto", "tags", "headings", "cells"])


@settings(deadline=None, max_examples=300)
@given(NOTEBOOKS, SPLITS)
def test_stages_hold_every_code_cell_once_and_in_order(cells: list[Code | str], split: Any) -> None:
    notebook, recording = made(*cells)
    pipeline = plan(notebook, recording, split)
    assert [cell for stage in pipeline.stages for cell in stage.cells] == [cell.index for cell in notebook.code_cells]
    recorded = {record.index for record in recording.cells}
    assert all(recorded & set(stage.cells) for stage in pipeline.stages)
    assert [(edge.source, edge.target) for edge in pipeline.edges] == list(pairwise(names_of(pipeline)))
    assert all(edge.why for edge in pipeline.edges)


@settings(deadline=None, max_examples=300)
@given(NOTEBOOKS, SPLITS)
def test_what_crosses_can_be_handed_over_and_what_is_dropped_occurs_nowhere_later(
    cells: list[Code | str], split: Any
) -> None:
    notebook, recording = made(*cells)
    pipeline = plan(notebook, recording, split)
    boundaries = {boundary.after: boundary for boundary in recording.boundaries}
    recorded = [record.index for record in recording.cells]
    for stage, edge in zip(pipeline.stages, pipeline.edges, strict=False):
        boundary = boundaries[max(set(stage.cells) & set(recorded))]
        assert not boundary.obstacles
        crossing = {crossing.name for crossing in edge.crossings}
        assert crossing | set(stage.pruned) == {variable.name for variable in boundary.variables}
        assert not crossing & {variable.name for variable in boundary.variables if variable.obstacle}
        later = [cell.source for cell in notebook.code_cells if cell.index > boundary.after]
        assert not any(re.search(rf"\b{name}\b", source) for name in stage.pruned for source in later)


@settings(deadline=None, max_examples=300)
@given(NOTEBOOKS)
def test_auto_gives_two_stages_wherever_a_boundary_is_safe(cells: list[Code | str]) -> None:
    notebook, recording = made(*cells)
    if len(plan(notebook, recording, "cells").stages) > 1:
        assert len(plan(notebook, recording, "auto").stages) > 1


@settings(deadline=None)
@given(NOTEBOOKS, SPLITS)
def test_names_are_unique_dns_labels(cells: list[Code | str], split: Any) -> None:
    names = names_of(plan(*made(*cells), split))
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?", name) for name in names)


def test_500_cells_are_planned_as_few_stages() -> None:
    live = tuple(Variable(f"v{number}", "DataFrame", MIB, 0) for number in range(300))
    sources = [f"v{number} = f(v{number % 7}, {number})\nprint('done')" for number in range(500)]
    notebook, recording = made(*[Code(source, live=live) for source in sources])
    planned = plan(notebook, recording)
    assert [cell for stage in planned.stages for cell in stage.cells] == list(range(500))
    assert 2 <= len(planned.stages) <= 8
