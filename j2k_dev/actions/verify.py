"""Verify: results against the recording, cell by cell.

What differs is recorded once more, to tell whether the notebook itself reproduces it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from j2k_dev.actions.context import Context, UpOptions, open_context
from j2k_dev.actions.record import find_recording, make_recording
from j2k_dev.actions.results import Outputs, files_at_end, outputs_of, recorded_outputs
from j2k_dev.engine.workspace import lock, read_json, write_json
from j2k_dev.model.codec import from_plain
from j2k_dev.model.errors import BadInput
from j2k_dev.model.run import CellDifference, RunSummary
from j2k_dev.notebook.compare import compare_notebook
from j2k_dev.worker.files import changes, manifest_from_json

if TYPE_CHECKING:
    from j2k_dev.actions.ui import Ui
    from j2k_dev.model.recording import Recording
    from j2k_dev.model.run import Verdict
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
    before = manifest_from_json((context.workspace.recording(oracle.key).parent / "inputs.json").read_bytes())
    writers = {use.path: cell.index for cell in oracle.cells for use in cell.files if use.kind != "read"}
    last = oracle.cells[-1].index
    touched = _touched(before, before, expected) | _touched(before, context.inputs.manifest, actual)
    return tuple(
        CellDifference(writers.get(path, last), f"file {path}", _described(expected, path), _described(actual, path))
        for path in sorted(touched)
        if "__pycache__" not in path and _described(expected, path) != _described(actual, path)
    )


def _touched(recorded: FileManifest, now: FileManifest, end: FileManifest) -> set[str]:
    """Return what differs at the end from what was there when it was recorded, and from what is there now."""
    return {use.path for use in changes(recorded, end)} & {use.path for use in changes(now, end)}


def _described(files: FileManifest, path: str) -> str:
    entry = files.get(path)
    return "no such file" if entry is None else f"{entry.kind} of {entry.size} bytes, {entry.content[:12]}"


def _unstable(context: Context, oracle: Recording) -> set[tuple[int, str]]:
    """Return what the notebook itself does not reproduce: where a second recording differs from the first."""
    kept = context.workspace.recording(oracle.key).parent / "unstable.json"
    known = read_json(kept)
    if known is None:
        context.ui.note("something differs: recording the notebook once more, to see whether it reproduces itself")
        again = make_recording(context, context.notebook, f"{oracle.key}-again")
        found = _differences(context, oracle, recorded_outputs(again), again.files)
        known = sorted({_what(difference) for difference in found})
        write_json(kept, [list(item) for item in known])
    return {(cell, what) for cell, what in known}


def verify(options: UpOptions, ui: Ui) -> RunSummary:
    """Compare the latest run with the recording again."""
    context = open_context(options, ui)
    with lock(context.workspace, note=ui.note):
        oracle = find_recording(context, context.notebook)
        if oracle is None:
            raise BadInput(
                "the notebook, its inputs or its interpreter changed since it was recorded", "j2k up NOTEBOOK"
            )
        summary, outputs, files = _latest(context, oracle)
        compared = compare(context, oracle, outputs, files)
    verdict: Verdict = "different" if compared.differences else "equal"
    return dataclasses.replace(summary, verdict=verdict, differences=compared.differences, unstable=compared.unstable)


def _latest(context: Context, oracle: Recording) -> tuple[RunSummary, Outputs, str | None]:
    from j2k_dev.worker.exchange import Exchange  # noqa: PLC0415 - only here

    exchange = Exchange(context.workspace.exchange)
    for name in context.workspace.run_names():
        plain = read_json(context.workspace.run(name).summary)
        if plain is None:
            continue
        summary = from_plain(RunSummary, plain)
        results = [exchange.read(name, stage.name) for stage in summary.stages]
        whole = [result for result in results if result is not None]
        if summary.recording == oracle.key and len(whole) == len(results) and whole:
            return summary, outputs_of(whole), whole[-1].files
    raise BadInput("there is no run of this notebook to compare", "j2k up NOTEBOOK")
