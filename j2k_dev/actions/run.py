"""Run: every stage in a process of its own. What an earlier run has for the same cells and state is taken over."""

from __future__ import annotations

import dataclasses
import importlib
import threading
import time
from typing import TYPE_CHECKING, Any

from j2k_dev.actions.context import digest, inputs_digest
from j2k_dev.actions.leftovers import remove_damaged
from j2k_dev.actions.results import files_at_end
from j2k_dev.actions.specs import stage_specs
from j2k_dev.actions.ui import StageEvent
from j2k_dev.engine.local import LocalEngine, Places, RunRequest
from j2k_dev.engine.locks import run_holder, running
from j2k_dev.engine.workspace import read_json, write_json, write_text
from j2k_dev.model.codec import to_plain
from j2k_dev.model.errors import MachineryFailed, Refused
from j2k_dev.report.units import human_bytes
from j2k_dev.worker.blobs import BlobDamaged
from j2k_dev.worker.exchange import Exchange
from j2k_dev.worker.files import manifest_to_json
from j2k_dev.worker.memory import OOM
from j2k_dev.worker.sqlite_bus import remove_if_damaged
from j2k_dev.worker.zygote import PRELOAD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from j2k_dev.actions.context import Context
    from j2k_dev.model.pipeline import Pipeline
    from j2k_dev.model.run import StageResult
    from j2k_dev.worker.events import Event
    from j2k_dev.worker.spec import StageSpec


@dataclasses.dataclass(frozen=True)
class Run:
    """Runs the pipeline and leaves the results of its stages; a run that was cut off goes on where it was.

    ``carry`` runs the stages where the engine is not to do it.
    """

    carry: Callable[[Context, Callable[[Event], None]], tuple[StageResult, ...]] | None = None

    def execute(self, context: Context) -> Context:
        """Run what is not done yet; raise Refused or MachineryFailed where no result can come of it."""
        pipeline = context.pipeline
        if pipeline is None:
            return context
        context = dataclasses.replace(context, run=_named(context) if context.run else new_run(context))
        paths = context.workspace.run(context.run)
        inputs = Exchange(context.workspace.exchange).inputs(context.run)
        inputs.parent.mkdir(parents=True, exist_ok=True)
        write_text(inputs, manifest_to_json(context.inputs.manifest))
        write_json(paths.pipeline, to_plain(pipeline))
        specs = stage_specs(context, pipeline)
        _adopt(context, pipeline, specs)
        ui = context.ui
        ui.stages([(stage.name, len(stage.cells)) for stage in pipeline.stages])
        threading.Thread(target=_import_early, daemon=True).start()
        with running(context.workspace, context.run):
            if self.carry is not None:
                results = self.carry(context, _Progress(context, pipeline))
            else:
                results = _on_engine(context, pipeline, specs)
        _remember(context, pipeline, specs, results)
        return dataclasses.replace(context, results=results)


def _import_early() -> None:
    """Import the libraries of the report and of signing while the stages run, so that nobody waits for them."""
    for name in ("j2k_dev.report.html", "j2k_dev.evidence.keys"):
        importlib.import_module(name)


def _on_engine(context: Context, pipeline: Pipeline, specs: dict[str, StageSpec]) -> tuple[StageResult, ...]:
    progress = _Progress(context, pipeline)
    if context.engine == "kind":
        from j2k_dev.actions.cluster.on_cluster import run_on_cluster  # noqa: PLC0415 - what it needs takes 0.5 s to import

        return run_on_cluster(context, progress)
    paths = context.workspace.run(context.run)
    places = Places(context.workspace.bus, context.workspace.exchange, context.inputs.work, paths.logs)
    if remove_if_damaged(places.bus):
        context.ui.note(f"{places.bus} was damaged and is made anew: what stages have published is kept")
    request = RunRequest(
        context.run, pipeline, specs, places, {}, context.options.timeout,
        stage_module=context.launcher.stage, preload=() if context.foreign_kernel else PRELOAD,
    )  # fmt: skip
    with context.ui.step(f"running {len(pipeline.stages)} stages"):
        return LocalEngine(context.launcher).run(request, progress)


def _named(context: Context) -> str:
    """Begin the run that was asked for by its name, or go on with it."""
    write_json(context.workspace.run(context.run).request, request_of(context))
    return context.run


def new_run(context: Context) -> str:
    """Return the name of the run to make: the one that was cut off, if it is of exactly this, else a new one."""
    request = request_of(context)
    for name in () if context.anew else context.workspace.run_names():
        paths = context.workspace.run(name)
        unfinished = read_json(paths.request) == request and not paths.summary.exists()
        cut_off = unfinished and run_holder(context.workspace, name) is None
        if cut_off and all(_is_whole(context, result) for result in _results(context, name)):
            context.ui.note(f"going on with the run {name}, which was cut off")
            return name
    name = run_name(request["key"])
    write_json(context.workspace.run(name).request, request)
    return name


def run_name(key: str) -> str:
    """Return a name that no other run has, and that says when it began."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{digest(key, time.time_ns())[:6]}"


def request_of(context: Context) -> dict[str, str]:
    """Return what a run is asked to be: ``key`` with the plan, ``of`` without."""
    assert context.recording is not None
    return {"key": run_key(context), "of": context.run_of(context.recording)}


def run_key(context: Context) -> str:
    """Return what a run depends on: what it is of, the recording that its plan comes from, and the plan."""
    pipeline = context.pipeline
    assert pipeline is not None
    assert context.recording is not None
    stages = [[stage.name, stage.cells, stage.pruned] for stage in pipeline.stages]
    return digest(context.place, pipeline.recording, context.run_of(context.recording), stages)


def failure_of(context: Context) -> Refused | MachineryFailed | None:
    """Return why a run has no result, if it is not the notebook's own doing."""
    last = context.results[-1]
    if last.failure is None:
        return None
    if last.refused:
        return Refused(f"stage {last.stage}: {last.failure}", "let the cells that share it be one stage")
    if remove_damaged(context.workspace) or not _has_all(context):
        return BlobDamaged(f"stage {last.stage}: {last.failure}", "run the same command again with --fresh")
    killed_for_memory = OOM in last.failure
    way_out = f"give it more: --memory {last.stage}=SIZE" if killed_for_memory else "run the same command again"
    return MachineryFailed(f"stage {last.stage}: {last.failure}", way_out)


def _has_all(context: Context) -> bool:
    """Tell whether all is there that the stages of a run started from."""
    inputs = (entry for entry in context.inputs.manifest.values() if entry.kind == "file")
    return all(context.store.has(entry.content, entry.size) for entry in inputs) and all(
        _is_whole(context, result) for result in context.results if result.failure is None
    )


def _results(context: Context, run: str) -> Iterator[StageResult]:
    """Read what the stages of a run have published."""
    assert context.pipeline is not None
    exchange = Exchange(context.workspace.exchange)
    for stage in context.pipeline.stages:
        if (result := exchange.read(run, stage.name)) is not None:
            yield result


class _Progress:
    """Turns events of the engine into what the person who waits sees."""

    def __init__(self, context: Context, pipeline: Pipeline) -> None:
        self._ui = context.ui
        self._run = context.run
        self._exchange = Exchange(context.workspace.exchange)
        self._totals = {stage.name: len(stage.cells) for stage in pipeline.stages}

    def __call__(self, event: Event) -> None:
        detail: dict[str, Any] = event.detail
        total = self._totals.get(event.stage, 0)
        if event.event == "cell-started":
            self._ui.cell_started(event.stage, detail["cell"], total)
        elif event.event == "cell-finished":
            self._ui.cell_finished(event.stage, detail["cell"], total, detail["seconds"])
        elif event.event == "started":
            self._ui.stage(StageEvent(event.stage, "running", event.attempt))
        elif event.event == "ended":
            told = detail.get("how", "") or self._handed_over(event.stage)
            self._ui.stage(StageEvent(event.stage, detail["outcome"], event.attempt, told))

    def _handed_over(self, stage: str) -> str:
        """Say how much a stage handed over, once it has."""
        result = self._exchange.read(self._run, stage)
        return f"{human_bytes(result.snapshot_bytes)} handed over" if result and result.snapshot_bytes else ""


# --- taking over what is done already ---------------------------------------------------------------------------------


def _keys(context: Context, pipeline: Pipeline, specs: dict[str, StageSpec]) -> list[str]:
    """Return a key per stage: the same key means the same cells on the same state, made by the same programs."""
    interpreter = context.interpreter
    assert context.recording is not None
    inputs = inputs_digest(context.inputs, context.notebook, context.recording.scope)
    before = digest(context.place, context.launcher.support.name, interpreter.executable, interpreter.packages, inputs)
    keys = []
    for stage in pipeline.stages:
        spec = specs[stage.name]
        cells = [[cell.index, cell.source, cell.id, cell.may_raise] for cell in spec.cells]
        before = digest(before, cells, stage.pruned, spec.changes, spec.copy, spec.last)
        keys.append(before)
    return keys


def _adopt(context: Context, pipeline: Pipeline, specs: dict[str, StageSpec]) -> None:
    """Publish for this run what an earlier run has for the first stages, as far as nothing changed."""
    if context.anew:
        return
    exchange = Exchange(context.workspace.exchange)
    for stage, key in zip(pipeline.stages, _keys(context, pipeline, specs), strict=True):
        result = _published(context, exchange, _known(context, key))
        if result is None or not _is_whole(context, result):
            return
        exchange.adopt(dataclasses.replace(result, stage=stage.name), context.run)
        context.ui.stage(StageEvent(stage.name, "reused"))


def _published(context: Context, exchange: Exchange, known: Path) -> StageResult | None:
    place = read_json(known, context.ui.note)
    try:
        return exchange.read(place["run"], place["stage"]) if place else None
    except MachineryFailed as error:
        context.ui.note(f"{error.message}: the stage runs again")
        return None


def _is_whole(context: Context, result: StageResult) -> bool:
    """Tell whether all is there that the next stage and the results are made of; readers check what is in it."""
    from j2k_dev.worker.snapshot import Restorer  # noqa: PLC0415 - only where something is taken over

    if result.files is None:
        return False
    if context.options.cluster:
        return True  # on a volume that is looked at before the run: what it lost runs again
    try:
        files = files_at_end(context, result.files).values()
        blobs = [(entry.content, entry.size) for entry in files if entry.kind == "file"]
        if result.snapshot is not None:
            header = Restorer(context.workspace.exchange / "snapshots" / result.snapshot, context.store).header
            blobs += [(sha256, size) for sha256, size, *_ in header.blobs]
    except BlobDamaged as error:
        context.ui.note(f"{error}: the stage runs again")
        return False
    return all(context.store.has(*blob) for blob in blobs)


def _remember(
    context: Context, pipeline: Pipeline, specs: dict[str, StageSpec], results: tuple[StageResult, ...]
) -> None:
    for key, result in zip(_keys(context, pipeline, specs), results, strict=False):
        if result.error is None and result.failure is None:
            write_json(_known(context, key), {"run": result.run, "stage": result.stage})


def _known(context: Context, key: str) -> Path:
    return context.workspace.exchange / "known" / f"{key}.json"
