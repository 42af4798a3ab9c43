"""Directives, headings and parameters as the author wrote them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from j2k_dev.model.errors import BadInput
from j2k_dev.notebook.source import (
    Cell,
    CellKind,
    NotebookFile,
    content_sha256,
    headings,
    inject_parameters,
    markdown_headings,
    parse_parameters,
    stage_directives,
)


def notebook(*cells: str | tuple[str, str], language: str = "python") -> NotebookFile:
    """Make a notebook from sources: text is code, beginning with ``md:`` Markdown; a pair is code with a tag."""
    made = []
    for index, given_cell in enumerate(cells):
        source, tag = given_cell if isinstance(given_cell, tuple) else (given_cell, "")
        kind: CellKind = "markdown" if source.startswith("md:") else "code"
        made.append(Cell(index, kind, source.removeprefix("md:"), (tag,) if tag else ()))
    document = {"cells": [{"cell_type": cell.kind, "source": cell.source, "metadata": {}} for cell in made]}
    sha256 = content_sha256(made, "python3", language)
    return NotebookFile(Path("test.ipynb"), sha256, tuple(made), "python3", language, document=document)


# What runs


@pytest.mark.parametrize(
    ("source", "tag", "runs"), [("x", "", True), (" \n", "", False), ("x", "skip-execution", False)]
)
def test_a_cell_runs_where_jupyter_would_run_it(source: str, tag: str, runs: bool) -> None:
    assert notebook((source, tag)).cells[0].runs is runs


def test_an_exception_is_expected_where_the_tag_says_so() -> None:
    assert [cell.may_raise for cell in notebook(("x", "raises-exception"), "y").cells] == [True, False]


def test_the_hash_covers_what_runs_and_nothing_else() -> None:
    base = notebook("md:# Title", "x = 1")
    assert notebook("md:# Other title", "x = 1").sha256 == base.sha256
    for other in (notebook("md:# Title", "x = 2"), notebook("x = 1"), notebook("md:# Title", ("x = 1", "parameters"))):
        assert other.sha256 != base.sha256


# Stage directives


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        (("x", "stage:load"), "load"),
        (("x", "stage: load data "), "load data"),
        ("# j2k: stage load\nx", "load"),
        ("\n#J2K:  Stage: load data\nx", "load data"),
    ],
)
def test_a_tag_or_a_first_line_begins_a_stage(cell: str | tuple[str, str], name: str) -> None:
    directives, notes = stage_directives(notebook("y", cell))
    assert [(directive.cell, directive.name) for directive in directives] == [(1, name)]
    assert not notes


@pytest.mark.parametrize(
    "cell", ["x = 1\n# j2k: stage late", "# a comment on j2k: stages", "md:# j2k: stage text", "'j2k'"]
)
def test_other_comments_begin_no_stage(cell: str) -> None:
    assert stage_directives(notebook(cell)) == ((), ())


@pytest.mark.parametrize("cell", [("x", "stage:"), "# j2k: stage", "# j2k: stagger on\nx", "# j2k: split here\nx"])
def test_a_directive_that_names_no_stage_is_noted(cell: str | tuple[str, str]) -> None:
    directives, notes = stage_directives(notebook(cell))
    assert not directives
    assert len(notes) == 1
    assert "cell 0" in notes[0]


def test_the_tag_wins_over_the_first_line() -> None:
    directives, notes = stage_directives(notebook(("# j2k: stage line\nx", "stage:tag")))
    assert [directive.name for directive in directives] == ["tag"]
    assert "more than one stage" in notes[0]


# Headings


@pytest.mark.parametrize(
    ("markdown", "found"),
    [
        ("# One\ntext\n## Two ##", [(1, "One"), (2, "Two")]),
        ("One\n===\n\nTwo\nlines\n---", [(1, "One"), (2, "Two lines")]),
        ("```\n# code\n```\n# One", [(1, "One")]),
        ("~~~python\n# code\n```\n# code\n~~~~\n# One", [(1, "One")]),
        ("    # code\n# One", [(1, "One")]),
        ("#hashtag\n\n- item\n---\n\n| a |\n---", []),
        ("###### Six\n####### Seven", [(6, "Six")]),
        ("#", [(1, "")]),
        ("**Load** it\n---", [(2, "Load it")]),
        ('# <a id="x"></a>**Load** the [data](http://x/y_z) with `read_csv`', [(1, "Load the data with read_csv")]),
        ("# snake_case_name and \\# escaped", [(1, "snake_case_name and # escaped")]),
    ],
)
def test_headings_are_found_with_level_and_plain_text(markdown: str, found: list[tuple[int, str]]) -> None:
    assert list(markdown_headings(markdown)) == found


def test_headings_know_their_cells() -> None:
    found = headings(notebook("md:# One", "# a comment", "md:text\n\n## Two"))
    assert [(heading.cell, heading.level, heading.text) for heading in found] == [(0, 1, "One"), (2, 2, "Two")]


LINES = st.sampled_from(
    ["# One", "## Two ##", "text", "more text", "===", "---", "", "```", "~~~", "```python", "    code", "***", "#tag",
     "   # indented", "== =", "#", "- - -", "<b>html</b>",
     "**bold**", "-5", "1.5"]
)  # fmt: skip


@given(st.lists(LINES, max_size=8))
def test_headings_are_those_that_a_markdown_parser_finds(lines: list[str]) -> None:
    tokens = MarkdownIt().parse("\n".join(lines))
    levels = [int(token.tag[1]) for token in tokens if token.type == "heading_open"]
    assert [level for level, _ in markdown_headings("\n".join(lines))] == levels


# Parameters


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-2", -2),
        ("0.5", 0.5),
        ("1e-3", 0.001),
        ("true", True),
        ("False", False),
        ("null", None),
        ("None", None),
        ("text", "text"),
        ("", ""),
        ("a=b", "a=b"),
        ("007", "007"),
        ("2024-01-01", "2024-01-01"),
        ("nan", "nan"),
        ('"1"', "1"),
        ("'1'", "1"),
        ('[1, "a", null]', [1, "a", None]),
        ("['a', True]", ["a", True]),
        ('{"a": {"b": [1.5]}}', {"a": {"b": [1.5]}}),
    ],
)
def test_a_value_is_what_it_looks_like(text: str, value: Any) -> None:
    parsed = parse_parameters([f"name={text}"])["name"]
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name", "no '='"),
        ("1a=1", "no Python name"),
        ("class=1", "no Python name"),
        ("a=[1, 2", "neither JSON nor a Python literal"),
        ("a=(1, 2)", "a tuple can't be a parameter"),
        ("a=[{1, 2}]", "a set can't be a parameter"),
        ("a={1: 2}", "keys of a dictionary have to be text"),
    ],
)
def test_an_unusable_parameter_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        parse_parameters([text])


def test_all_unusable_parameters_are_named_at_once() -> None:
    with pytest.raises(BadInput) as error:
        parse_parameters(["a", "b=[", "c=1", "c=2"])
    assert all(name in error.value.message for name in ("'a'", "'b=['", "'c' is given twice"))


def test_parameters_follow_the_cell_tagged_parameters() -> None:
    injected = inject_parameters(notebook("import os", ("rate = 1", "parameters"), "use(rate)"), {"rate": 2})
    assert [cell.source for cell in injected.cells] == ["import os", "rate = 1", "# Parameters\nrate = 2", "use(rate)"]
    assert [cell.index for cell in injected.cells] == [0, 1, 2, 3]
    assert injected.cells[2].tags == ("injected-parameters",)
    assert [cell["source"] for cell in injected.document["cells"]] == [cell.source for cell in injected.cells]
    assert injected.notes == ()


def test_parameters_replace_those_injected_before() -> None:
    old = notebook(("rate = 1", "parameters"), ("rate = 5", "injected-parameters"), "use(rate)")
    injected = inject_parameters(old, {"rate": 2})
    assert [cell.source for cell in injected.cells] == ["rate = 1", "# Parameters\nrate = 2", "use(rate)"]


def test_without_a_tagged_cell_parameters_come_first_and_a_note_says_so() -> None:
    injected = inject_parameters(notebook("md:# Title", "use(rate)"), {"rate": 2})
    assert injected.cells[0].source == "# Parameters\nrate = 2"
    assert "may set them again" in injected.notes[0]


def test_a_parameter_that_the_tagged_cell_does_not_name_is_noted() -> None:
    injected = inject_parameters(notebook(("rate = 1", "parameters")), {"rat": 2})
    assert "'rat' is not among those of cell 0" in injected.notes[0]


def test_parameters_change_the_hash_and_no_parameters_change_nothing() -> None:
    base = notebook(("rate = 1", "parameters"))
    assert inject_parameters(base, {"rate": 2}).sha256 not in (base.sha256, inject_parameters(base, {"rate": 3}).sha256)
    assert inject_parameters(base, {}) is base


def test_parameters_for_another_language_are_refused() -> None:
    with pytest.raises(BadInput, match="language is julia"):
        inject_parameters(notebook("x = 1", language="julia"), {"x": 2})


def test_an_injected_cell_gets_an_id_where_the_others_have_one() -> None:
    cells = (Cell(0, "code", "x", ("parameters",), "parameters"),)
    injected = inject_parameters(NotebookFile(Path("n.ipynb"), "", cells), {"x": 1})
    assert injected.cells[1].id == "parameters-1"
    assert injected.document["cells"][0]["id"] == "parameters-1"


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(PLAIN)
def test_any_plain_value_arrives_in_the_cell_unchanged(value: Any) -> None:
    source = inject_parameters(notebook("x"), {"value": value}).cells[0].source
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    assert namespace["value"] == value


@given(st.lists(PLAIN, min_size=1))
def test_a_list_in_json_is_parsed_as_json_does(value: list[Any]) -> None:
    assert parse_parameters([f"value={json.dumps(value)}"]) == {"value": value}


def test_infinity_and_nan_are_written_as_python() -> None:
    source = inject_parameters(notebook("x"), {"a": math.inf, "b": [math.nan]}).cells[0].source
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    assert namespace["a"] == math.inf
    assert math.isnan(namespace["b"][0])
