"""Verify: results against the recording, cell by cell.

What differs is recorded once more, to tell whether the notebook itself reproduces it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from j2k_dev.actions.context import Context, UpOptions, unused_inputs, with_notebook
from j2k_dev.actions.plan import raised
from j2k_dev.actions.record import UNSTABLE, find_recording, latest_recording, make_recording
from j2k_dev.actions.results import (
    Outputs,
    executed_by,
    files_at_end,
    outputs_of,
    read_plain,
    recorded_outputs,
    write_results,
)
from j2k_dev.engine.workspace import read_json, write_json
from j2k_dev.model.errors import BadInput, J2kError
from j2k_dev.model.pipeline import Pipeline
from j2k_dev.model.run import CellDifference, RunSummary
from j2k_dev.notebook.compare import compare_notebook
from j2k_dev.worker.blobs import BlobDamaged
from j2k_dev.worker.child import outcome_of
from j2k_dev.worker.files import changes, manifest_from_json

if TYPE_CHECKING:
    from j2k_dev.actions.ui import Ui
    from j2k_dev.model.recording import Recording
    from j2k_dev.model.run import StageResult, Verdict
    from j2k_dev.worker.files import FileManifest


@dataclasses.dataclass(frozen=True)
class Compared:
    """What a comparison found: differences that the notebook itself reproduces, and cells that it does not."""

    differences: tuple[CellDifference, ...]
    unstable: tuple[int, ...]


def compare(context: Context, oracle: Recording, outputs: Outputs, files: str | None) -> Compared:
    """Compare outputs and files of a run with those of a recording."""
    with context.ui.step("comparing with the notebook's own results"):
        found = _differences(context, oracle, outputs, files)
    if not found:
        return Compared((), ())
    unstable = _unstable(context, oracle)
    return Compared(
        tuple(difference for difference in found if _what(difference) not in unstable),
        tuple(sorted({difference.cell for difference in found if _what(difference) in unstable})),
    )


def _what(difference: CellDifference) -> tuple[int, str]:
    """Return what may be unstable by itself: one part of one cell's outputs, or one file."""
    return difference.cell, difference.what


def _differences(
    context: Context, oracle: Recording, outputs: Outputs, files: str | None
) -> tuple[CellDifference, ...]:
    return (*compare_notebook(recorded_outputs(oracle), outputs), *_compare_files(context, oracle, files))


def _compare_files(context: Context, oracle: Recording, files: str | None) -> tuple[CellDifference, ...]:
    """Compare the files that recording or run made, changed or removed; others in the folder don't matter."""
    expected, actual = files_at_end(context, oracle.files), files_at_end(context, files)
    before = _recorded_inputs(context, oracle)
    writers = {use.path: cell.index for cell in oracle.cells for use in cell.files if use.kind != "read"}
    last = oracle.cells[-1].index
    unused = unused_inputs(context.inputs, context.notebook, oracle.scope)
    made = _touched(before, context.inputs.manifest, actual) - unused
    touched = _touched(before, before, expected) | made
    return tuple(
        CellDifference(writers.get(path, last), f"file {path}", _described(expected, path), _described(actual, path))
        for path in sorted(touched)
        if "__pycache__" not in path and _described(expected, path) != _described(actual, path)
    )


def _recorded_inputs(context: Context, oracle: Recording) -> FileManifest:
    """Return what was in the folder when the oracle was recorded; what can't be read is recorded again."""
    recording = context.workspace.recording(oracle.key)
    path = recording.with_name("inputs.json")
    try:
        return manifest_from_json(path.read_bytes())
    except (OSError, ValueError, TypeError, AttributeError) as error:
        recording.unlink(missing_ok=True)
        raise BlobDamaged(f"{path} is damaged ({error})") from error


def _touched(recorded: FileManifest, now: FileManifest, end: FileManifest) -> set[str]:
    """Return what differs at the end from what was there when it was recorded, and from what is there now."""
    return {use.path for use in changes(recorded, end)} & {use.path for use in changes(now, end)}


def _described(files: FileManifest, path: str) -> str:
    entry = files.get(path)
    return "no such file" if entry is None else f"{entry.kind} of {entry.size} bytes, {entry.content[:12]}"


def _unstable(context: Context, oracle: Recording) -> set[tuple[int, str]]:
    """Return what the notebook itself does not reproduce: where a second recording differs from the first."""
    kept = context.workspace.recording(oracle.key).with_name(UNSTABLE)
    known = read_json(kept, context.ui.note)
    if known is None:
        context.ui.note("something differs: recording the notebook once more, to see whether it reproduces itself")
        again = make_recording(context, context.notebook, f"{oracle.key}-again")
        known = sorted(_not_reproduced(context, oracle, again))
        if again.error is None:
            write_json(kept, [list(item) for item in known])
    return {(cell, what) for cell, what in known}


def _not_reproduced(context: Context, oracle: Recording, again: Recording) -> set[tuple[int, str]]:
    """Return what two recordings differ in; cells that the second one did not get to say nothing."""
    found = _differences(context, oracle, recorded_outputs(again), again.files)
    if again.error is None:
        return {_what(difference) for difference in found}
    context.ui.note(f"the second time, cell {again.error.cell} raised {again.error.ename}")
    return {_what(d) for d in found if d.cell < again.error.cell and not d.what.startswith("file ")}


def verify(options: UpOptions, ui: Ui) -> RunSummary:
    """Compare the latest run with the recording again, and keep the verdict with the run's results."""
    return with_notebook(options, ui, _verified)


def _verified(start: Context) -> RunSummary:
    oracle = find_recording(start, start.notebook)
    if oracle is None:
        raise _not_recorded(start)
    summary, pipeline, results = _latest(start, start.run_of(oracle))
    context = dataclasses.replace(start, recording=oracle, pipeline=pipeline, run=summary.run, results=results)
    compared = compare(context, oracle, outputs_of(results), results[-1].files)
    verdict: Verdict = "different" if compared.differences else "equal"
    summary = dataclasses.replace(
        summary, verdict=verdict, differences=compared.differences, unstable=compared.unstable
    )
    write_results(context, summary, executed_by(context), results[-1].files)
    return summary


def _not_recorded(context: Context) -> J2kError:
    latest = latest_recording(context, context.notebook)
    if latest is None or latest.error is None:
        return BadInput("the notebook, its inputs or its interpreter changed since it was recorded", "j2k up NOTEBOOK")
    return raised(latest.error, "nothing can be compared before the notebook runs to its end")


def _latest(context: Context, wanted: str) -> tuple[RunSummary, Pipeline, tuple[StageResult, ...]]:
    """Return the latest complete run of exactly this notebook with these parameters."""
    from j2k_dev.worker.exchange import Exchange  # noqa: PLC0415 - only here

    exchange = Exchange(context.workspace.exchange)
    for name in context.workspace.run_names():
        paths = context.workspace.run(name)
        summary, pipeline = read_plain(RunSummary, paths.summary), read_plain(Pipeline, paths.pipeline)
        request = read_json(paths.request) or {}
        if summary is None or pipeline is None or request.get("of") != wanted:
            continue
        results = [exchange.read(name, stage.name) for stage in pipeline.stages]
        whole = tuple(result for result in results if result is not None)
        if len(whole) == len(results) and outcome_of(whole[-1]) == "published":
            return summary, pipeline, whole
    raise BadInput("there is no complete run of this notebook to compare", "j2k up NOTEBOOK")
