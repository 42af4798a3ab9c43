"""Parameters of a run: where their cell goes in a plan, and the plan without them, which is what images are made of."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from j2k_dev.notebook.source import parameters_place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from j2k_dev.actions.context import Context
    from j2k_dev.model.pipeline import Pipeline, Stage
    from j2k_dev.notebook.source import NotebookFile, ParametersPlace


def home_of_parameters(stages: tuple[Stage, ...], place: ParametersPlace) -> int:
    """Return the position of the stage that sets parameters: the one of the cell before, or that is replaced."""
    before = place.index + place.replaces
    return max((position for position, stage in enumerate(stages) if stage.cells[0] < before), default=0)


def with_parameters(pipeline: Pipeline, notebook: NotebookFile) -> Pipeline:
    """Put the parameters' cell into a plan of ``notebook``: later cells move, and one stage gets it."""
    place = parameters_place(notebook)
    home = home_of_parameters(pipeline.stages, place)

    def moved(stage: Stage) -> Stage:
        own = {place.index} if stage is pipeline.stages[home] else set()
        return dataclasses.replace(stage, cells=tuple(sorted(own.union(map(place.moved, stage.cells)))))

    return dataclasses.replace(pipeline, stages=tuple(map(moved, pipeline.stages)))


def taken_out(pipeline: Pipeline, notebook: NotebookFile) -> Pipeline | None:
    """Return the plan of ``notebook`` that ``pipeline`` is with parameters in it.

    None where there is none: their cell is a stage of its own, or in another one than a plan without it would say.
    """
    place = parameters_place(notebook)

    def unmoved(stage: Stage) -> Stage:
        return dataclasses.replace(stage, cells=_unmoved(stage.cells, place))

    plain = dataclasses.replace(pipeline, stages=tuple(map(unmoved, pipeline.stages)))
    whole = all(stage.cells for stage in plain.stages)
    return plain if whole and with_parameters(plain, notebook) == pipeline else None


def without_parameters(context: Context) -> tuple[Context, Mapping[str, Any]]:
    """Return what is the same for all parameters, and those that go with the messages.

    Where there is no such thing, they stay where they are, in the cells.
    """
    parameters, pipeline = context.options.parameters, context.pipeline
    assert pipeline is not None
    plain = taken_out(pipeline, context.original) if parameters else None
    if plain is None:
        return context, {}
    return dataclasses.replace(context, notebook=context.original, pipeline=plain), parameters


def _unmoved(cells: tuple[int, ...], place: ParametersPlace) -> tuple[int, ...]:
    if place.replaces:
        return cells
    return tuple(cell - (cell > place.index) for cell in cells if cell != place.index)
