"""Notebooks and their recordings, made by hand, and what a test wants to know of their plans."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from j2k_dev.model.recording import Boundary, CellRecord, FileUse, Interpreter, Recording, Variable
from j2k_dev.notebook.analysis import analyse_cell
from j2k_dev.notebook.source import Cell, NotebookFile, content_sha256

if TYPE_CHECKING:
    from j2k_dev.model.pipeline import Pipeline

MIB = 1 << 20
GENERATOR = Variable("g", "generator", 100, 1, "a live generator")


@dataclass(frozen=True)
class Code:
    """A code cell and what the recording says of it and of the boundary after it."""

    source: str = "x = 1"
    seconds: float = 1.0
    live: tuple[Variable, ...] = ()
    obstacles: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    files: tuple[FileUse, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)


def made(*cells: Code | str, language: str = "python") -> tuple[NotebookFile, Recording]:
    """Make a notebook and its recording; text is a Markdown cell."""
    sources = [
        Cell(index, "markdown", cell) if isinstance(cell, str) else Cell(index, "code", cell.source, cell.tags)
        for index, cell in enumerate(cells)
    ]
    sha256 = content_sha256(sources, "python3", language)
    notebook = NotebookFile(Path("My analysis.ipynb"), sha256, tuple(sources), "python3", language)
    code = [(index, cell) for index, cell in enumerate(cells) if isinstance(cell, Code) and cell.source.strip()]
    records = [
        CellRecord(
            index=index,
            execution_count=number,
            outputs=(),
            wall_seconds=cell.seconds,
            cpu_seconds=cell.seconds,
            peak_bytes=number * MIB,
            modules=cell.modules,
            files=cell.files,
            **{"analysis": analyse_cell(cell.source), **cell.extra},
        )
        for number, (index, cell) in enumerate(code, 1)
    ]
    boundaries = [Boundary(i, c.live, sum(v.bytes for v in c.live), c.obstacles) for i, c in code]
    recording = Recording(
        key="key",
        notebook="My analysis.ipynb",
        notebook_sha256=sha256,
        interpreter=Interpreter("python", "3.11.0", {}),
        parameters={},
        cells=tuple(records),
        boundaries=tuple(boundaries),
        seconds=sum(cell.seconds for _, cell in code),
    )
    return notebook, recording


def cells_of(pipeline: Pipeline) -> list[tuple[int, ...]]:
    return [stage.cells for stage in pipeline.stages]


def names_of(pipeline: Pipeline) -> list[str]:
    return [stage.name for stage in pipeline.stages]
