"""A stage's cells, with the parameters that come with a message: as in the notebook that papermill would make."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from j2k_dev.model.pipeline import Stage
from j2k_dev.notebook.source import Cell, NotebookFile, inject_parameters, parameters_place
from j2k_dev.worker.spec import CellSource, StageSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

FIRST = ("print(0)", ())
DECLARED = ("n = 1", ("parameters",))
INJECTED = ("n = 5", ("injected-parameters",))
LAST = ("print(n)", ())
NOTEBOOKS = {
    "no cell is tagged": (FIRST, LAST),
    "a cell is tagged": (FIRST, DECLARED, LAST),
    "it is the last one": (FIRST, DECLARED),
    "papermill was there before": (DECLARED, INJECTED, LAST),
}


def made(cells: Sequence[tuple[str, tuple[str, ...]]]) -> NotebookFile:
    found = tuple(Cell(index, "code", source, tags, f"id-{index}") for index, (source, tags) in enumerate(cells))
    return NotebookFile(Path("a.ipynb"), "", found, "python3", "python")


def spec(notebook: NotebookFile, cells: Sequence[int], *, sets: bool) -> StageSpec:
    sources = tuple(CellSource(index, notebook.cells[index].source, notebook.cells[index].id) for index in cells)
    stage = Stage("a", tuple(cells), (), (), 0.0, 0)
    return StageSpec(stage, sources, "/e", "/w", True, parameters=parameters_place(notebook), sets_parameters=sets)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_cells_are_those_of_the_notebook_with_the_parameters(name: str) -> None:
    notebook = made(NOTEBOOKS[name])
    whole = spec(notebook, range(len(notebook.cells)), sets=True)
    wanted = inject_parameters(notebook, {"n": 3, "name": "x"})
    assert [(cell.index, cell.source, cell.id) for cell in whole.cells_with({"n": 3, "name": "x"})] == [
        (cell.index, cell.source, cell.id) for cell in wanted.cells
    ]


def test_without_parameters_nothing_moves() -> None:
    whole = spec(made(NOTEBOOKS["a cell is tagged"]), range(3), sets=True)
    assert whole.cells_with({}) == whole.cells


def test_a_later_stage_sets_nothing_and_its_cells_move() -> None:
    later = spec(made(NOTEBOOKS["a cell is tagged"]), (2,), sets=False)
    assert [(cell.index, cell.source) for cell in later.cells_with({"n": 3})] == [(3, "print(n)")]
