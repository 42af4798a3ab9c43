"""The image of a stage: its cells and the pipeline on top of the environment, a few kilobytes."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from j2k_dev.model.codec import to_plain
from j2k_dev.packaging.environment import key_of
from j2k_dev.packaging.store import Wanted
from j2k_dev.packaging.tree import identity, text_file

if TYPE_CHECKING:
    from j2k_dev.model.pipeline import Pipeline, Stage
    from j2k_dev.packaging.environment import Environment
    from j2k_dev.packaging.oci import Image
    from j2k_dev.packaging.store import Store
    from j2k_dev.worker.spec import StageSpec

FOLDER = "/j2k"
STAGE = f"{FOLDER}/stage.json"
PIPELINE = f"{FOLDER}/pipeline.json"
STAGE_LABEL = "j2k.dev/stage"


@dataclass(frozen=True)
class StageImage:
    """The image of one stage."""

    stage: str
    key: str
    image: Image


def make_stage(
    store: Store,
    environment: Environment,
    spec: StageSpec,
    pipeline: Pipeline,
    base: str,
    command: tuple[str, ...] = (),
) -> StageImage:
    """Give the image of a stage; ``base`` is what its Dockerfile calls the environment, ``command`` what it runs."""
    name = spec.stage.name
    files = [
        text_file(STAGE, _document(to_plain(replace(spec, stage=_lasting(spec.stage))))),
        text_file(PIPELINE, _document(to_plain(_outline(pipeline)))),
    ]
    settings = environment.image.settings
    settings = replace(settings, labels={**settings.labels, STAGE_LABEL: name}, command=command)
    key = key_of("stage", environment.key, identity(files), repr(settings))
    wanted = Wanted("stage.tar", identity(files), lambda: files)
    return StageImage(name, key, store.make(key, [wanted], settings, environment.key, base))


def _outline(pipeline: Pipeline) -> Pipeline:
    """Leave out what a recording measured: an edited cell changes the image of its own stage alone."""
    edges = tuple(replace(edge, crossings=(), bytes=0, why="") for edge in pipeline.edges)
    return replace(pipeline, recording="", stages=tuple(map(_lasting, pipeline.stages)), edges=edges, notes=())


def _lasting(stage: Stage) -> Stage:
    return replace(stage, seconds=0.0, peak_bytes=0)


def _document(plain: object) -> bytes:
    return json.dumps(plain, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass")
