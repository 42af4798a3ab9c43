"""Build: what the notebook ran in becomes an image, and each stage a thin one on it; pushed where a registry is."""

from __future__ import annotations

import dataclasses
import os
import shlex
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from j2k_dev.actions.context import Context, UpOptions, opened
from j2k_dev.actions.images.locked import Locked, locked_source
from j2k_dev.actions.images.source import IMAGES, Source, Traced
from j2k_dev.actions.parameters import without_parameters
from j2k_dev.actions.plan import Plan, raised
from j2k_dev.actions.record import Record
from j2k_dev.actions.specs import stage_specs
from j2k_dev.engine.workspace import read_json, write_json, write_text
from j2k_dev.model.codec import from_plain, to_plain
from j2k_dev.model.errors import BadInput
from j2k_dev.packaging import engine
from j2k_dev.packaging.environment import EXCHANGE, Environment, make_environment
from j2k_dev.packaging.files import ELSEWHERE
from j2k_dev.packaging.registry import Registry
from j2k_dev.packaging.review import Review, applied, listed, reviewed
from j2k_dev.packaging.stage import FOLDER, StageImage, make_stage
from j2k_dev.packaging.store import Store
from j2k_dev.report.units import cell_name
from j2k_dev.sandbox.docker_engine.engine import NoEngine, connect
from j2k_dev.sandbox.model import Sandbox
from j2k_dev.sandbox.state import read_state

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from j2k_dev.actions.ui import Ui
    from j2k_dev.model.pipeline import Pipeline
    from j2k_dev.model.run import CellDifference
    from j2k_dev.packaging.oci import Image

_REVIEW = "review.json"
_LIST = "review.txt"
_SHOWN = 3


@dataclass(frozen=True)
class BuildOptions:
    """What ``j2k build`` was asked for; ``registry`` is the sandbox's own where none is named.

    ``export`` is a file that ReproZip's own pack is written to.
    """

    review: bool = False
    export: Path | None = None
    registry: Registry | None = None


@dataclass(frozen=True)
class BuiltImage:
    """An image that was built: ``reference`` names exactly this one, where it was put; ``bytes`` are its own layers."""

    name: str
    folder: str
    reference: str
    digest: str
    bytes: int


@dataclass(frozen=True)
class Built:
    """What ``j2k build`` made; ``scratch`` is the folder that has to be writable in its containers.

    ``differences``: where the locked packages give other results than the recording. ``seconds`` it took to decide what
    there was to make and make it (``making``), and to have it where it is used (``putting``).
    """

    environment: BuiltImage
    stages: tuple[BuiltImage, ...]
    pipeline: Pipeline
    recording: str
    left_out: dict[str, str] = field(default_factory=dict)
    differences: tuple[CellDifference, ...] = ()
    scratch: str = ""
    seconds: dict[str, float] = field(default_factory=dict)


def build(options: UpOptions, wanted: BuildOptions, ui: Ui) -> Built:
    """Make the images of a notebook's pipeline, those that are not made already, and put them where they are used."""
    with opened(dataclasses.replace(options, engine="kind"), ui) as start:  # images are for pods
        if start.package == "pip" and wanted.export is not None:
            raise BadInput("--export needs a trace", "leave --package pip out, or see j2k doctor")
        context = Plan().execute(Record().execute(start))
        assert context.recording is not None
        if context.pipeline is None:
            assert context.recording.error is not None
            raise raised(context.recording.error, "nothing can be built before the notebook runs to its end")
        return Build(wanted).execute(without_parameters(context)[0])


@dataclass(frozen=True)
class Build:
    """Makes the images of a planned pipeline."""

    wanted: BuildOptions = field(default_factory=BuildOptions)

    def execute(self, context: Context) -> Built:
        """Make what is not made yet, and push it."""
        ui, store, pipeline = context.ui, Store(context.workspace.root / IMAGES), context.pipeline
        assert pipeline is not None
        assert context.recording is not None
        started = time.perf_counter()
        source = (locked_source if context.package == "pip" else Traced)(context, context.recording)
        if isinstance(source, Traced):
            source.check()
        review = _review(store, source, self.wanted, ui)
        with ui.step("building the images"):
            environment = make_environment(store, source.request(review))
            stages = _stages(context, store, environment, pipeline)
        made = time.perf_counter()
        store.keep_only([environment.key, *(stage.key for stage in stages)])
        _tell_left_out(ui, environment)
        if isinstance(source, Traced) and self.wanted.export is not None:
            source.export(self.wanted.export)
        images = [("environment", environment.key, environment.image)]
        images += [(stage.stage, stage.key, stage.image) for stage in stages]
        built = _put(context, self.wanted.registry, store, images)
        seconds = {"making": made - started, "putting": time.perf_counter() - made}
        differences = source.tried(environment) if isinstance(source, Locked) else ()
        _tell_differences(ui, differences)
        scratch = environment.image.settings.folder
        left_out = dict(environment.left_out)
        return Built(built[0], built[1:], pipeline, context.recording.key, left_out, differences, scratch, seconds)


# --- the steps --------------------------------------------------------------------------------------------------------


def _stages(context: Context, store: Store, environment: Environment, pipeline: Pipeline) -> tuple[StageImage, ...]:
    """Make the image of each stage, as far as its cells changed."""
    base = engine.local_reference(pipeline.name, environment.key)
    specs = stage_specs(context, pipeline)
    inside = {name: dataclasses.replace(spec, exchange=EXCHANGE) for name, spec in specs.items()}
    command = ("j2k_dev.worker.pod", FOLDER)
    return tuple(
        make_stage(store, environment, inside[stage.name], pipeline, base, command) for stage in pipeline.stages
    )


def _review(store: Store, source: Source, wanted: BuildOptions, ui: Ui) -> Review:
    """Give what people changed in the list of files, now if they ask for it."""
    kept = store.root / _REVIEW
    plain = read_json(kept, ui.note)
    review = from_plain(Review, plain) if plain else Review()
    if wanted.review:
        selection = source.selection()
        review = reviewed(selection, _edited(store.root / _LIST, listed(applied(selection, review))))
        write_json(kept, to_plain(review))
    if review != Review():
        told = f"{len(review.left_out)} files left out, {len(review.added)} added"
        ui.note(f"the list of files was reviewed: {told} (j2k build --review shows it)")
    return review


def _edited(path: Path, text: str) -> str:
    """Let a list be edited, and return it as it is then."""
    write_text(path, text)
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        done = subprocess.run([*shlex.split(editor), str(path)], check=False)
    except OSError as error:
        raise BadInput(f"the editor {editor!r} can't be started: {error.strerror}", "set EDITOR") from error
    if done.returncode:
        raise BadInput(f"the editor {editor!r} ended with {done.returncode}: nothing was built", "run it again")
    return path.read_text(encoding="utf-8", errors="surrogateescape")


def _tell_left_out(ui: Ui, environment: Environment) -> None:
    """Say what the notebook read that will not be there: data outside of its folder."""
    paths = sorted(path for path, reason in environment.left_out.items() if reason == ELSEWHERE)
    if paths:
        more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
        ui.note(
            f"not in the image, as it is {ELSEWHERE}: {', '.join(paths[:_SHOWN])}{more} "
            "(data: put it beside the notebook, or --data; anything else: j2k build --review)"
        )


def _tell_differences(ui: Ui, differences: tuple[CellDifference, ...]) -> None:
    """Say, also where a run on a cluster goes on, that its results will differ."""
    if differences:
        cells = ", ".join(cell_name(cell) for cell in sorted({each.cell for each in differences}))
        ui.note(f"the image gives other results than this machine: {cells} (j2k build shows both)")


def _put(
    context: Context, asked: Registry | None, store: Store, images: list[tuple[str, str, Image]]
) -> tuple[BuiltImage, ...]:
    """Push images to the registry that was named or is the sandbox's, else give them to the Docker engine."""
    assert context.pipeline is not None
    name = context.pipeline.name
    state = None if asked else read_state(Sandbox(context.workspace.root))
    registry = asked or (Registry(state.registry) if state else None)
    if registry:
        with context.ui.step(f"pushing to {registry.address}"):
            references = [registry.push(image, engine.repository(name), key) for _, key, image in images]
    else:
        references = _loaded(context.ui, name, images)
    return tuple(
        BuiltImage(what, str(store.folder(key)), reference, image.digest, store.own_bytes(key))
        for (what, key, image), reference in zip(images, references, strict=True)
    )


def _loaded(ui: Ui, name: str, images: Iterable[tuple[str, str, Image]]) -> list[str]:
    references = [engine.local_reference(name, key) for _, key, _ in images]
    try:
        client = connect()
    except NoEngine:
        ui.note("no registry and no Docker engine: the images are kept as folders, from which docker build makes them")
        return ["" for _ in references]
    with ui.step("giving the images to the Docker engine"):
        for reference, (_, _, image) in zip(references, images, strict=True):
            engine.load(client, image, reference)
    return references
