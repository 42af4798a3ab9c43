"""What each worker is told of its stage, wherever it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from j2k_dev.actions.context import cell_sources
from j2k_dev.actions.parameters import home_of_parameters
from j2k_dev.notebook.source import parameters_place
from j2k_dev.worker.spec import StageSpec

if TYPE_CHECKING:
    from j2k_dev.actions.context import Context
    from j2k_dev.model.pipeline import Pipeline

# A notebook whose text holds one of these looks at who owns an array's memory; it then owns it, as in Jupyter.
_OWNERSHIP = ("resize", "owndata", "OWNDATA", ".base", "setflags", ".flags")


def stage_specs(context: Context, pipeline: Pipeline) -> dict[str, StageSpec]:
    """Say what each worker has to know of its stage."""
    sources = {cell.index: cell for cell in cell_sources(context.notebook)}
    text = "\n".join(cell.source for cell in sources.values())
    assert context.recording is not None
    place = None if context.foreign_kernel else parameters_place(context.notebook)
    setting = None if place is None else pipeline.stages[home_of_parameters(pipeline.stages, place)]
    return {
        stage.name: StageSpec(
            stage=stage,
            cells=tuple(sources[index] for index in stage.cells if index in sources),
            exchange=str(context.workspace.exchange),
            work=str(context.inputs.work),
            last=stage is pipeline.stages[-1],
            changes=context.recording.changes,
            copy=any(word in text for word in _OWNERSHIP),
            kernel=context.foreign_kernel,
            parameters=place,
            sets_parameters=stage is setting,
        )
        for stage in pipeline.stages
    }
