"""A notebook recorded under ReproZip on this machine, and run again inside the image of its environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console

from j2k_dev.actions.context import Context, UpOptions, cell_sources, opened
from j2k_dev.actions.images.source import IMAGES, Traced
from j2k_dev.actions.record import ensure_recording, make_recording
from j2k_dev.cli.progress import make_ui
from j2k_dev.notebook.compare import compare_notebook, unstable_cells
from j2k_dev.packaging import engine
from j2k_dev.packaging.environment import Environment, make_environment
from j2k_dev.packaging.review import Review
from j2k_dev.packaging.store import Store
from j2k_dev.packaging.trial import Tried, run_inside

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from docker import DockerClient

    from j2k_dev.model.recording import Recording
    from j2k_dev.model.run import CellDifference


@dataclass(frozen=True)
class Pair:
    """The same notebook here and in the container; ``differences`` without cells that differ here from run to run."""

    recording: Recording
    tried: Tried
    differences: tuple[CellDifference, ...]
    environment: Environment


def run_both(client: DockerClient, notebook: Path, python: Path | None = None) -> Pair:
    """Record the notebook, make the image, and run the notebook in a container of it."""
    ui = make_ui(Console(stderr=True), quiet=True)
    with opened(UpOptions(notebook, python=python, trace="reprozip"), ui) as context:
        recording = ensure_recording(context, context.notebook)
        store, source = Store(context.workspace.root / IMAGES), Traced(context, recording)
        source.check()
        environment = make_environment(store, source.request(Review()))
        reference = engine.local_reference("tests", environment.key)
        engine.load(client, environment.image, reference)
        try:
            tried = run_inside(
                client, environment.image, cell_sources(context.notebook), context.inputs, context.store,
                context.workspace.root / "trials", context.launcher.recorder,
            )  # fmt: skip
        finally:
            client.images.remove(reference)
        expected = outputs(recording)
        differences = compare_notebook(expected, tried.outputs)
        if differences:
            unstable = unstable_cells(expected, _again(context))
            differences = tuple(found for found in differences if found.cell not in unstable)
    return Pair(recording, tried, differences, environment)


def outputs(recording: Recording) -> Mapping[int, Sequence[Mapping[str, Any]]]:
    return {cell.index: cell.outputs for cell in recording.cells}


def _again(context: Context) -> Mapping[int, Sequence[Mapping[str, Any]]]:
    return outputs(make_recording(context, context.notebook, context.recording_key(context.notebook)))
