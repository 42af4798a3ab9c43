"""What each worker is told of its stage, wherever it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from j2k_dev.actions.context import cell_sources
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
        )
        for stage in pipeline.stages
    }
