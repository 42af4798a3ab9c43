"""What a worker is told of its stage; apart from the worker, which only the notebook's interpreter can import."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from j2k_dev.model.pipeline import Stage
from j2k_dev.notebook.source import ParametersPlace, parameters_source

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class CellSource:
    """A code cell as it is run; ``may_raise`` is Jupyter's tag raises-exception."""

    index: int
    source: str
    id: str | None = None
    may_raise: bool = False


@dataclass(frozen=True)
class StageSpec:
    """All that a worker needs to know of its stage.

    ``changes`` are the attributes of libraries that cells change (see ``worker.hidden``); ``copy`` gives arrays memory
    of their own; ``kernel`` names the kernelspec where the kernel is not Python. ``parameters`` says where those of a
    message go, in indices of ``cells``, and ``sets_parameters`` that this is the stage which sets them.
    """

    stage: Stage
    cells: tuple[CellSource, ...]
    exchange: str
    work: str
    last: bool
    changes: tuple[str, ...] = ()
    copy: bool = False
    kernel: str = ""
    parameters: ParametersPlace | None = None
    sets_parameters: bool = False

    def cells_with(self, parameters: Mapping[str, Any]) -> tuple[CellSource, ...]:
        """Return the cells to run for a message with these parameters, numbered as in the notebook that sets them."""
        place = self.parameters
        if place is None or not parameters:
            return self.cells
        others = [cell for cell in self.cells if not (place.replaces and cell.index == place.index)]
        cells = [replace(cell, index=place.moved(cell.index)) for cell in others]
        if self.sets_parameters:
            cells.append(CellSource(place.index, parameters_source(parameters), place.id or None))
        return tuple(sorted(cells, key=lambda cell: cell.index))
