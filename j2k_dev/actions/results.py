"""The results of a run as files: executed notebook, files that the notebook wrote, run.json, report."""

from __future__ import annotations

import copy
import json
import shutil
from typing import TYPE_CHECKING, Any, TypeVar

from j2k_dev.actions.leftovers import hash_of
from j2k_dev.engine.local import attempts
from j2k_dev.engine.workspace import disk_full, is_disk_full, read_json, write_json, write_text
from j2k_dev.model.codec import CodecError, from_plain, to_plain
from j2k_dev.model.errors import BadInput, J2kError
from j2k_dev.model.pipeline import Pipeline, Stage
from j2k_dev.model.run import StageSummary
from j2k_dev.worker.blobs import BlobDamaged
from j2k_dev.worker.files import FileManifest, changes, manifest_from_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from j2k_dev.actions.context import Context
    from j2k_dev.model.recording import Recording
    from j2k_dev.model.run import RunSummary, StageResult

T = TypeVar("T")
Outputs = dict[int, tuple[dict[str, Any], ...]]


def outputs_of(results: Iterable[StageResult]) -> Outputs:
    """Return the outputs of each cell, with the updates that later stages made to displays of earlier ones."""
    outputs: dict[int, list[dict[str, Any]]] = {}
    for result in results:
        for update in result.updates:
            shown = outputs[update["cell"]][update["position"]]
            outputs[update["cell"]][update["position"]] = {
                **shown,
                "data": update["data"],
                "metadata": update["metadata"],
            }
        outputs |= {cell.index: list(cell.outputs) for cell in result.cells}
    return {index: tuple(shown) for index, shown in outputs.items()}


def recorded_outputs(recording: Recording) -> Outputs:
    """Return the outputs of each cell of a recording."""
    return {cell.index: cell.outputs for cell in recording.cells}


def executed_notebook(document: Mapping[str, Any], outputs: Outputs, counts: Mapping[int, int | None]) -> Any:
    """Return the notebook with these outputs, everything else as it was."""
    executed: Any = copy.deepcopy(dict(document))
    for index, cell in enumerate(executed["cells"]):
        if cell["cell_type"] == "code":
            cell["outputs"] = [dict(output) for output in outputs.get(index, ())]
            cell["execution_count"] = counts.get(index)
    return executed


def executed_by(context: Context) -> Any:
    """Return the notebook as the stages that have a result executed it."""
    counts = {cell.index: cell.execution_count for result in context.results for cell in result.cells}
    return executed_notebook(context.notebook.document, outputs_of(context.results), counts)


def write_notebook(path: Path, executed: Any) -> None:
    """Write a notebook as Jupyter does."""
    write_text(path, json.dumps(executed, indent=1, ensure_ascii=False) + "\n")


def files_at_end(context: Context, blob: str | None) -> FileManifest:
    """Return what the working directory held at the end of a recording or a run."""
    return manifest_from_json(context.store.read(blob)) if blob else {}


def copy_files(context: Context, blob: str | None, target: Path) -> None:
    """Copy the files that the notebook wrote."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    if blob is None:
        return
    for use in changes(context.inputs.manifest, files_at_end(context, blob)):
        if use.path in context.inputs.uncounted:  # a notebook as an earlier run found it, where a stage was taken over
            continue
        if use.kind == "written" and use.sha256 and not use.path.startswith(".."):
            (target / use.path).parent.mkdir(parents=True, exist_ok=True)
            _copy(context, use.sha256, target / use.path)


def _copy(context: Context, blob: str, target: Path) -> None:
    if context.store.has(blob):
        shutil.copyfile(context.store.path(blob), target)
        if hash_of(target) == blob:
            return
        target.unlink()
    raise BlobDamaged(f"blob {blob} is damaged or missing")


def stage_summaries(context: Context, results: Iterable[StageResult]) -> tuple[StageSummary, ...]:
    """Say of each stage what run.json says."""
    assert context.pipeline is not None
    cells = {stage.name: stage.cells for stage in context.pipeline.stages}
    return tuple(_stage_summary(context, result, cells[result.stage]) for result in results)


def _stage_summary(context: Context, result: StageResult, cells: tuple[int, ...]) -> StageSummary:
    history = attempts(context.workspace.exchange, context.run, result.stage)
    return StageSummary(
        result.stage, cells, max(len(history), 1), result.seconds, result.restore_seconds, result.publish_seconds,
        result.snapshot_bytes, result.written_bytes, result.peak_bytes, history,
    )  # fmt: skip


def read_plain(kind: type[T], path: Path) -> T | None:
    """Read what was written of a dataclass; None where it is not there, damaged, or of another version of j2k."""
    plain = read_json(path)
    try:
        return None if plain is None else from_plain(kind, plain)
    except CodecError:
        return None


def write_results(context: Context, summary: RunSummary, executed: Any, files: str | None) -> None:
    """Write everything that a run leaves to look at; run.json comes last, and says that the rest is complete."""
    from j2k_dev.report.html import write_report  # noqa: PLC0415 - only where a page is written

    paths = context.workspace.run(summary.run)
    paths.root.mkdir(parents=True, exist_ok=True)
    paths.logs.mkdir(exist_ok=True)
    paths.summary.unlink(missing_ok=True)
    write_notebook(paths.notebook, executed)
    copy_files(context, files, paths.files)
    if context.recording is not None:
        pipeline = context.pipeline or _unsplit(context, context.recording)
        write_report(executed, summary, pipeline, context.recording, paths.report)
    write_json(paths.summary, to_plain(summary))


def _unsplit(context: Context, recording: Recording) -> Pipeline:
    """Return what stands for the pipeline of a notebook that did not get to its end: itself."""
    cells = tuple(cell.index for cell in recording.cells)
    peak = max((cell.peak_bytes for cell in recording.cells), default=0)
    stage = Stage("notebook", cells, (), (), recording.seconds, peak)
    return Pipeline(recording.notebook, recording.key, context.split, (stage,), ())


def copy_out(context: Context, run: str) -> None:
    """Copy the results where ``--out`` says, instead of those of an earlier run; run.json comes last here too."""
    target = context.options.out
    if target is None:
        return
    paths = context.workspace.run(run)
    try:
        _make_way(context, target / paths.summary.name)
        for folder in (paths.files, paths.logs):
            shutil.copytree(folder, target / folder.name, dirs_exist_ok=True)
        for file in (paths.notebook, paths.report, paths.summary):
            shutil.copyfile(file, target / file.name)
    except OSError as error:
        raise _not_copied(error, target, paths.root) from error


def _make_way(context: Context, summary: Path) -> None:
    """Remove the files of the run that was copied here before; what else is here stays."""
    earlier = read_json(summary)
    summary.unlink(missing_ok=True)
    name = earlier.get("run") if isinstance(earlier, dict) else None
    if name not in context.workspace.run_names():
        return
    paths = context.workspace.run(name)
    for folder in (paths.files, paths.logs):
        for file in folder.rglob("*"):
            if file.is_file():
                (summary.parent / file.relative_to(paths.root)).unlink(missing_ok=True)


def _not_copied(error: OSError, target: Path, results: Path) -> J2kError:
    if is_disk_full(error):
        return disk_full(target)
    return BadInput(f"--out {target} can't be written: {error.strerror or error}", f"the results are in {results}")
