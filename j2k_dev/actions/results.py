"""The results of a run as files: executed notebook, files that the notebook wrote, run.json, report."""

from __future__ import annotations

import copy
import json
import shutil
from typing import TYPE_CHECKING, Any

from j2k_dev.engine.local import attempts
from j2k_dev.engine.workspace import write_json, write_text
from j2k_dev.model.codec import to_plain
from j2k_dev.model.run import StageSummary
from j2k_dev.worker.files import FileManifest, changes, manifest_from_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from j2k_dev.actions.context import Context
    from j2k_dev.model.recording import Recording
    from j2k_dev.model.run import RunSummary, StageResult

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


def write_notebook(path: Path, executed: Any) -> None:
    """Write a notebook as Jupyter does."""
    write_text(path, json.dumps(executed, indent=1, ensure_ascii=False) + "\n")


def files_at_end(context: Context, blob: str | None) -> FileManifest:
    """Return what the working directory held at the end of a recording or a run."""
    return manifest_from_json(context.store.path(blob).read_bytes()) if blob else {}


def copy_files(context: Context, blob: str | None, target: Path) -> None:
    """Copy the files that the notebook wrote."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    if blob is None:
        return
    for use in changes(context.inputs.manifest, files_at_end(context, blob)):
        if use.kind == "written" and use.sha256 and not use.path.startswith(".."):
            (target / use.path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(context.store.path(use.sha256), target / use.path)


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


def write_results(context: Context, summary: RunSummary, executed: Any, files: str | None) -> None:
    """Write everything that a run leaves to look at; run.json comes last, and says that the rest is complete."""
    from j2k_dev.report.html import write_report  # noqa: PLC0415 - only where a page is written

    paths = context.workspace.run(summary.run)
    paths.root.mkdir(parents=True, exist_ok=True)
    paths.logs.mkdir(exist_ok=True)
    write_notebook(paths.notebook, executed)
    copy_files(context, files, paths.files)
    if context.pipeline is not None and context.recording is not None:
        write_report(executed, summary, context.pipeline, context.recording, paths.report)
    write_json(paths.summary, to_plain(summary))


def copy_out(context: Context, run: str) -> None:
    """Copy the results where ``--out`` says."""
    if context.options.out is not None:
        shutil.copytree(context.workspace.run(run).root, context.options.out, dirs_exist_ok=True)
