"""Up: record, plan, run, verify, and show the results. The list of actions is what ``j2k up`` does.

Where a hand-over turns out not to work (a state that can't be read back, a result that differs), its boundary is given
up and the rest is planned again: in the end one stage is the notebook itself. What was given up is noted.
"""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from j2k_dev.actions.context import Context, UpOptions, open_context
from j2k_dev.actions.plan import Plan
from j2k_dev.actions.record import Record, add_obstacle
from j2k_dev.actions.results import (
    copy_out,
    executed_notebook,
    outputs_of,
    recorded_outputs,
    stage_summaries,
    write_results,
)
from j2k_dev.actions.run import Run, failure_of, run_key
from j2k_dev.actions.verify import Compared, compare
from j2k_dev.engine.workspace import lock, read_json
from j2k_dev.model.codec import CodecError, from_plain
from j2k_dev.model.run import RunSummary

if TYPE_CHECKING:
    from j2k_dev.actions.ui import Ui
    from j2k_dev.model.recording import CellError
    from j2k_dev.model.run import StageResult, Verdict

__all__ = ["UpOptions", "up"]

MOST_REPLANS = 6


def up(options: UpOptions, ui: Ui) -> RunSummary:
    """Do everything from the notebook to verified results, and only what is not done yet."""
    started = time.time()
    context = open_context(options, ui)
    with lock(context.workspace, note=ui.note):
        context = Plan().execute(Record().execute(context))
        summary = _known(context) or _made(context, started)
    copy_out(context, summary.run)
    return summary


def _made(context: Context, started: float) -> RunSummary:
    if context.pipeline is None:
        return _raised_while_recording(context, started)
    for left in reversed(range(MOST_REPLANS)):
        context = Run().execute(context)
        compared = _compared(context)
        mended = _mended(context, compared) if left else None
        if mended is None:
            break
        context = mended
    if problem := failure_of(context.results):
        raise problem
    return _finished(context, compared, started)


def _compared(context: Context) -> Compared:
    """Compare what can be compared: a complete run of something that was recorded."""
    last = context.results[-1]
    if context.oracle is None or last.error is not None or last.failure is not None:
        return Compared((), ())
    return compare(context, context.oracle, outputs_of(context.results), last.files)


# --- giving up a boundary ---------------------------------------------------------------------------------------------


def _mended(context: Context, compared: Compared) -> Context | None:
    """Plan again without the boundary that did not work, or return None where there is none to give up."""
    place = _bad_boundary(context, compared)
    if place is None:
        return None
    stage, reason = place
    assert context.pipeline is not None
    assert context.recording is not None
    names = [other.name for other in context.pipeline.stages]
    before = context.pipeline.stages[names.index(stage) - 1]
    note = f"stages {before.name} and {stage} are one: {reason}"
    context.ui.note(note)
    recording = add_obstacle(context, context.recording, before.cells[-1], reason)
    oracle = recording if context.oracle is context.recording else context.oracle
    context = dataclasses.replace(
        context, recording=recording, oracle=oracle, run="", results=(), notes=(*context.notes, note)
    )
    return Plan().execute(context)


def _bad_boundary(context: Context, compared: Compared) -> tuple[str, str] | None:
    """Return the stage whose start is the boundary to give up, and why."""
    assert context.pipeline is not None
    names = [stage.name for stage in context.pipeline.stages]
    last: StageResult = context.results[-1]
    if last.failure is not None and last.refused:
        # What can't be read back came from the stage before; what can't be written down was to go to the one after.
        place = names.index(last.stage) + (1 if last.cells else 0)
        return (names[place], last.failure) if 0 < place < len(names) else None
    if last.error is not None and context.oracle is not None and len(context.results) > 1:
        return last.stage, f"cell {last.error.cell} raises {last.error.ename} there, and not in the notebook"
    if compared.differences:
        first = min(compared.differences, key=lambda difference: difference.cell)
        holder = next(
            s for s in context.pipeline.stages if first.cell <= s.cells[-1] or s is context.pipeline.stages[-1]
        )
        place = names.index(holder.name)
        return (holder.name, f"{first.what} of cell {first.cell} differs there") if place else None
    return None


# --- results ----------------------------------------------------------------------------------------------------------


def _known(context: Context) -> RunSummary | None:
    """Return the results of an earlier run of exactly this, if it ended well."""
    if context.options.fresh or context.options.rerun or context.pipeline is None:
        return None
    key = run_key(context)
    for name in context.workspace.run_names():
        paths = context.workspace.run(name)
        if read_json(paths.root / "request.json") != {"key": key} or not paths.summary.exists():
            continue
        try:
            summary = from_plain(RunSummary, read_json(paths.summary))
        except CodecError:
            continue
        if summary.verdict == "equal" or (summary.verdict == "unverified" and context.oracle is None):
            context.ui.note(f"nothing changed since the run {name}")
            return summary
    return None


def _finished(context: Context, compared: Compared, started: float) -> RunSummary:
    outputs = outputs_of(context.results)
    counts = {cell.index: cell.execution_count for result in context.results for cell in result.cells}
    executed = executed_notebook(context.notebook.document, outputs, counts)
    error = context.results[-1].error
    summary = dataclasses.replace(
        _summary(context, started, error),
        verdict=_verdict(context, compared, error),
        stages=stage_summaries(context, context.results),
        differences=compared.differences,
        unstable=compared.unstable,
    )
    write_results(context, summary, executed, context.results[-1].files)
    return summary


def _verdict(context: Context, compared: Compared, error: CellError | None) -> Verdict:
    if error is not None:
        return "failed"
    if context.oracle is None:
        return "unverified"
    return "different" if compared.differences else "equal"


def _raised_while_recording(context: Context, started: float) -> RunSummary:
    """Keep what was done before the notebook itself raised."""
    recording = context.recording
    assert recording is not None
    run = f"{time.strftime('%Y%m%d-%H%M%S')}-recording"
    context = dataclasses.replace(context, run=run)
    notebook = context.notebook if recording is context.oracle else context.original
    counts = {cell.index: cell.execution_count for cell in recording.cells}
    executed = executed_notebook(notebook.document, recorded_outputs(recording), counts)
    summary = _summary(context, started, recording.error)
    write_results(context, summary, executed, recording.files)
    return summary


def _summary(context: Context, started: float, error: CellError | None) -> RunSummary:
    assert context.recording is not None
    return RunSummary(
        run=context.run,
        engine="local",
        verdict="failed",
        stages=(),
        error=error,
        notebook=context.notebook.path.name,
        pipeline=run_key(context) if context.pipeline else "",
        recording=context.recording.key,
        parameters=dict(context.options.parameters),
        started=started,
        seconds=time.time() - started,
        notes=context.notes,
    )
