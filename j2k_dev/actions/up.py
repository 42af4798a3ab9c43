"""Up: record, plan, run, verify, and show the results. The list of actions is what ``j2k up`` does.

Where a hand-over turns out not to work (a state that can't be read back, a result that differs), its boundary is given
up and the rest is planned again: in the end one stage is the notebook itself. What was given up is noted.
"""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from j2k_dev.actions.context import Context, UpOptions, with_notebook
from j2k_dev.actions.plan import Plan
from j2k_dev.actions.record import Record, RecordingStopped, add_obstacles
from j2k_dev.actions.results import (
    copy_out,
    executed_by,
    executed_notebook,
    outputs_of,
    read_plain,
    recorded_outputs,
    stage_summaries,
    write_results,
)
from j2k_dev.actions.run import Run, failure_of, request_of, run_key, run_name
from j2k_dev.actions.verified import keep_known, keep_verified
from j2k_dev.actions.verify import Compared, compare
from j2k_dev.engine.workspace import read_json
from j2k_dev.model.errors import MachineryFailed, Refused
from j2k_dev.model.run import RunSummary

if TYPE_CHECKING:
    from j2k_dev.actions.ui import Ui
    from j2k_dev.model.recording import CellError
    from j2k_dev.model.run import StageResult, Verdict
    from j2k_dev.notebook.source import NotebookFile

__all__ = ["UpOptions", "run", "up"]

MOST_REPLANS = 6


def up(options: UpOptions, ui: Ui) -> RunSummary:
    """Do everything from the notebook to verified results, and only what is not done yet."""
    return with_notebook(options, ui, _up)


def run(options: UpOptions, ui: Ui) -> RunSummary:
    """Do the same; asked to do it anew, keep the recording and run the stages only."""
    return up(dataclasses.replace(options, fresh=False, rerun=options.fresh), ui)


def _up(start: Context) -> RunSummary:
    started = time.time()
    try:
        context = fitting_engine(Plan().execute(Record().execute(start)))
    except RecordingStopped as stopped:
        raise _stopped(start, stopped, started) from stopped
    summary = _known(context) or _made(context, started)
    copy_out(context, summary.run)
    return summary


def fitting_engine(context: Context) -> Context:
    """Stay on this machine where pods could not run the notebook, unless they were asked for."""
    if context.engine == "local" or context.options.engine != "auto" or context.pipeline is None:
        return context
    from j2k_dev.actions.cluster.limits import refuse_what_pods_lack  # noqa: PLC0415 - takes its time to import

    try:
        refuse_what_pods_lack(context)
    except Refused as refused:
        context.ui.note(f"in processes on this machine instead: {refused.message}")
        return dataclasses.replace(context, engine="local")
    return context


def _made(context: Context, started: float) -> RunSummary:
    if context.pipeline is None:
        assert context.recording is not None
        notebook = context.notebook if context.recording is context.oracle else context.original
        return _recorded_only(context, notebook, started)
    # A run that was asked for by its name is to show what becomes of this plan, not of a better one.
    for left in reversed(range(1 if context.options.run else MOST_REPLANS)):
        context = Run().execute(context)
        compared = compared_with_oracle(context)
        mended = _mended(context, compared, whole=left == 1) if left else None
        if mended is None:
            break
        context = mended
    return finished(context, compared, started)


def compared_with_oracle(context: Context) -> Compared:
    """Compare what can be compared: a complete run of something that was recorded."""
    last = context.results[-1]
    if context.oracle is None or last.error is not None or last.failure is not None:
        return Compared((), ())
    return compare(context, context.oracle, outputs_of(context.results), last.files)


# --- giving up a boundary ---------------------------------------------------------------------------------------------


def _mended(context: Context, compared: Compared, *, whole: bool) -> Context | None:
    """Plan again without the boundary that did not work, or return None where there is none to give up.

    ``whole``: without any boundary, as one stage, which is the notebook itself.
    """
    place = _bad_boundary(context, compared)
    if place is None:
        return None
    stage, reason = place
    assert context.pipeline is not None
    assert context.recording is not None
    stages = context.pipeline.stages
    until = [other.name for other in stages].index(stage)
    given_up = tuple(before.cells[-1] for before in (stages[:-1] if whole else stages[until - 1 : until]))
    recording = add_obstacles(context, context.recording, given_up, reason)
    oracle = recording if context.oracle is context.recording else context.oracle
    return Plan().execute(dataclasses.replace(context, recording=recording, oracle=oracle, run="", results=()))


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
        return last.stage, f"with it, cell {last.error.cell} raises {last.error.ename}, which the notebook does not"
    if compared.differences:
        first = min(compared.differences, key=lambda difference: difference.cell)
        holder = next(
            s for s in context.pipeline.stages if first.cell <= s.cells[-1] or s is context.pipeline.stages[-1]
        )
        place = names.index(holder.name)
        return (
            (holder.name, f"with it, {first.what} of cell {first.cell} differs from the notebook's") if place else None
        )
    return None


# --- results ----------------------------------------------------------------------------------------------------------


def _known(context: Context) -> RunSummary | None:
    """Return the results of an earlier run of exactly this, if it ended well."""
    if context.anew or context.pipeline is None:
        return None
    request = request_of(context)
    for name in context.workspace.run_names():
        paths = context.workspace.run(name)
        summary = read_plain(RunSummary, paths.summary) if read_json(paths.request) == request else None
        if summary is None or not (paths.notebook.exists() and paths.report.exists()):
            continue
        if summary.verdict == "equal" or (summary.verdict == "unverified" and context.oracle is None):
            context.ui.note(f"nothing changed since the run {name}")
            keep_known(context, summary)
            return summary
    return None


def finished(context: Context, compared: Compared, started: float) -> RunSummary:
    """Write down what came of the run; raise where that is no result, for reasons that are not the notebook's."""
    last, problem = context.results[-1], failure_of(context)
    summary = dataclasses.replace(
        _summary(context, started, last.error),
        verdict=_verdict(context, compared, last),
        stages=stage_summaries(context, context.results),
        differences=compared.differences,
        unstable=compared.unstable,
        failure=f"{problem.message}; {problem.way_out}" if problem else None,
    )
    write_results(context, summary, executed_by(context), last.files)
    keep_verified(context, summary)
    if problem is not None:
        raise problem
    return summary


def _verdict(context: Context, compared: Compared, last: StageResult) -> Verdict:
    if last.error is not None or last.failure is not None:
        return "failed"
    if context.oracle is None:
        return "unverified"
    return "different" if compared.differences else "equal"


def _recorded_only(context: Context, notebook: NotebookFile, started: float, failure: str | None = None) -> RunSummary:
    """Keep what was done before the notebook itself raised, or its recording stopped."""
    recording = context.recording
    assert recording is not None
    context = dataclasses.replace(context, run=run_name(recording.key))
    counts = {cell.index: cell.execution_count for cell in recording.cells}
    executed = executed_notebook(notebook.document, recorded_outputs(recording), counts)
    summary = dataclasses.replace(_summary(context, started, recording.error), failure=failure)
    write_results(context, summary, executed, recording.files)
    return summary


def _stopped(context: Context, stopped: RecordingStopped, started: float) -> MachineryFailed:
    """Keep what was done before the recording stopped, and say where."""
    context = dataclasses.replace(context, recording=stopped.recording)
    summary = _recorded_only(context, stopped.notebook, started, stopped.message)
    kept = context.workspace.run(summary.run).notebook
    return MachineryFailed(stopped.message, f"{stopped.way_out}; what was done before is in {kept}", stopped.detail)


def _summary(context: Context, started: float, error: CellError | None) -> RunSummary:
    assert context.recording is not None
    return RunSummary(
        run=context.run,
        engine=context.engine,
        verdict="failed",
        stages=(),
        error=error,
        notebook=context.notebook.path.name,
        pipeline=run_key(context) if context.pipeline else "",
        recording=context.recording.key,
        parameters=dict(context.options.parameters),
        started=started,
        seconds=time.time() - started,
        notes=(*context.notes, *context.plan_notes),
    )
