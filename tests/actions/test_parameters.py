"""The plan with the parameters' cell, and without: the same stages, so that images serve all parameters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from j2k_dev.actions.parameters import taken_out, with_parameters
from j2k_dev.model.pipeline import Pipeline, Stage
from j2k_dev.notebook.source import Cell, NotebookFile

if TYPE_CHECKING:
    from collections.abc import Sequence

PLAIN, DECLARED, INJECTED = (), ("parameters",), ("injected-parameters",)


def notebook(*tags: tuple[str, ...]) -> NotebookFile:
    cells = tuple(Cell(index, "code", "x = 1", these) for index, these in enumerate(tags))
    return NotebookFile(Path("a.ipynb"), "", cells, "python3", "python")


def pipeline(*cells: Sequence[int]) -> Pipeline:
    stages = tuple(Stage(f"stage-{i}", tuple(each), (), (), 0.0, 0) for i, each in enumerate(cells, 1))
    return Pipeline("a", "key", "auto", stages, ())


@pytest.mark.parametrize(
    ("of", "planned", "expected"),
    [
        (notebook(PLAIN, PLAIN), pipeline((0,), (1,)), pipeline((0, 1), (2,))),
        (notebook(PLAIN, DECLARED, PLAIN), pipeline((0, 1), (2,)), pipeline((0, 1, 2), (3,))),
        (notebook(PLAIN, DECLARED, PLAIN), pipeline((0,), (1, 2)), pipeline((0,), (1, 2, 3))),
        (notebook(DECLARED, INJECTED, PLAIN), pipeline((0, 1), (2,)), pipeline((0, 1), (2,))),
    ],
    ids=["first of all", "after the declared", "in a later stage", "instead of papermill's"],
)
def test_what_was_put_in_can_be_taken_out(of: NotebookFile, planned: Pipeline, expected: Pipeline) -> None:
    assert with_parameters(planned, of) == expected
    assert taken_out(expected, of) == planned


def test_parameters_that_are_a_stage_of_their_own_stay() -> None:
    assert taken_out(pipeline((0,), (1,), (2,)), notebook(DECLARED, PLAIN)) is None


def test_parameters_in_another_stage_than_a_plan_puts_them_stay() -> None:
    assert taken_out(pipeline((0,), (1, 2)), notebook(DECLARED, PLAIN)) is None
