"""Plan: cut the notebook into stages, from its text and its recording."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from j2k_dev.actions.context import Context, UpOptions, with_notebook
from j2k_dev.actions.parameters import with_parameters
from j2k_dev.actions.record import Record, found_obstacles
from j2k_dev.engine.workspace import write_json
from j2k_dev.model.codec import to_plain
from j2k_dev.model.errors import NotebookRaised
from j2k_dev.notebook.planning import plan as plan_stages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from j2k_dev.actions.ui import Ui
    from j2k_dev.model.pipeline import Pipeline
    from j2k_dev.model.recording import CellError, Recording


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
            planned = plan_stages(context.original, recording, context.split)
            pipeline = with_parameters(planned, context.original)
        write_json(context.workspace.pipeline, to_plain(pipeline))
        found = found_obstacles(context, recording)
        lasting = (note for note in pipeline.notes if not any(reason in note for reason in found.values()))
        notes = tuple(note for note in (*lasting, *_given_up(found)) if note not in context.notes)
        for note in notes:
            if note not in context.plan_notes:
                context.ui.note(note)
        return dataclasses.replace(context, pipeline=pipeline, plan_notes=notes)


def plan(options: UpOptions, ui: Ui) -> tuple[Pipeline, Recording]:
    """Return the stages of a notebook, and the recording that they come from."""
    context = with_notebook(options, ui, lambda start: Plan().execute(Record().execute(start)))
    assert context.recording is not None
    if context.pipeline is None:
        assert context.recording.error is not None
        raise raised(context.recording.error, "nothing can be planned before the notebook runs to its end")
    return context.pipeline, context.recording


def raised(error: CellError, consequence: str) -> NotebookRaised:
    """Say which cell raised what while the notebook was recorded, and what can't be done because of it."""
    from j2k_dev.report.verdict import raised as told  # noqa: PLC0415 - only where a notebook raised

    return NotebookRaised(told(error), f"mend the cell; {consequence}", "\n".join(error.traceback))


def _given_up(found: dict[int, str]) -> Iterator[str]:
    """Say which boundaries were given up, because runs with them did not give what the notebook gives."""
    for reason in dict.fromkeys(found.values()):
        cells = ", ".join(str(after) for after in sorted(found) if found[after] == reason)
        yield f"nothing is handed over after cell {cells}: {reason}"
