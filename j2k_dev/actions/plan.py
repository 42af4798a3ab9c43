"""Plan: cut the notebook into stages, from its text and its recording."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from j2k_dev.actions.context import Context, UpOptions, open_context
from j2k_dev.actions.record import Record
from j2k_dev.engine.workspace import lock, write_json
from j2k_dev.model.codec import to_plain
from j2k_dev.model.errors import NotebookRaised
from j2k_dev.notebook.planning import plan as plan_stages
from j2k_dev.notebook.source import INJECTED_TAG

if TYPE_CHECKING:
    from j2k_dev.actions.ui import Ui
    from j2k_dev.model.pipeline import Pipeline, Stage
    from j2k_dev.model.recording import Recording


class Plan:
    """Makes the pipeline and writes it down (``pipeline.json``)."""

    def execute(self, context: Context) -> Context:
        """Plan the stages of the notebook that will run."""
        recording = context.recording
        assert recording is not None
        if recording.error is not None:
            return context
        if recording is context.oracle:
            pipeline = plan_stages(context.notebook, recording, context.split)
        else:
            pipeline = _with_injected(plan_stages(context.original, recording, context.split), context)
        write_json(context.workspace.pipeline, to_plain(pipeline))
        noted = tuple(note for note in pipeline.notes if note not in context.notes)
        for note in noted:
            context.ui.note(note)
        return dataclasses.replace(context, pipeline=pipeline, notes=(*context.notes, *noted))


def plan(options: UpOptions, ui: Ui) -> tuple[Pipeline, Recording]:
    """Return the stages of a notebook, and the recording that they come from."""
    context = open_context(options, ui)
    with lock(context.workspace, note=ui.note):
        context = Plan().execute(Record().execute(context))
    assert context.recording is not None
    if context.pipeline is None:
        error = context.recording.error
        assert error is not None
        raise NotebookRaised(
            f"cell {error.cell} raised {error.ename}: {error.evalue}",
            "mend the cell; nothing can be planned before the notebook runs to its end",
            "\n".join(error.traceback),
        )
    return context.pipeline, context.recording


def _with_injected(pipeline: Pipeline, context: Context) -> Pipeline:
    """Move the cells of a plan to where they are once the parameters' cell is in its place, and add that one."""
    place = next(cell.index for cell in context.notebook.cells if INJECTED_TAG in cell.tags)
    moved = int(len(context.notebook.cells) > len(context.original.cells))

    def shifted(stage: Stage) -> Stage:
        cells = tuple(cell + moved if cell >= place else cell for cell in stage.cells)
        return dataclasses.replace(stage, cells=cells)

    stages = list(map(shifted, pipeline.stages))
    if not any(place in stage.cells for stage in stages):
        home = max((i for i, stage in enumerate(stages) if stage.cells[0] < place), default=0)
        cells = tuple(sorted({*stages[home].cells, place}))
        stages[home] = dataclasses.replace(stages[home], cells=cells)
    return dataclasses.replace(pipeline, stages=tuple(stages))
