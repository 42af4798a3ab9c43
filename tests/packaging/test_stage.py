"""The image of a stage: kilobytes on top of the environment, another one only where its own cells changed."""

from __future__ import annotations

import json
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from j2k_dev.model.pipeline import Crossing, Edge, Pipeline, Stage
from j2k_dev.packaging.environment import Environment
from j2k_dev.packaging.oci import Settings
from j2k_dev.packaging.stage import PIPELINE, STAGE, make_stage
from j2k_dev.packaging.store import Store, Wanted
from j2k_dev.packaging.tree import text_file
from j2k_dev.worker.spec import CellSource, StageSpec

if TYPE_CHECKING:
    from pathlib import Path

BASE = "j2k.local/j2k/analysis:environment-1"


def pipeline(seconds: float = 1.0, recording: str = "one") -> Pipeline:
    stages = tuple(Stage(name, (index,), (), (), seconds, 100) for index, name in enumerate(("load", "draw")))
    edge = Edge("load", "draw", (Crossing("table", "DataFrame", 10),), 10, "a heading")
    return Pipeline("analysis", recording, "auto", stages, (edge,), ("a note",))


def spec(of: Pipeline, index: int, source: str) -> StageSpec:
    return StageSpec(of.stages[index], (CellSource(index, source),), "/exchange", "/home/ada/work", last=False)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "images")


@pytest.fixture
def environment(store: Store) -> Environment:
    settings = Settings(("/bin/python", "/j2k/support/start.py"), {"HOME": "/tmp"}, {"j2k.dev/python": "3.11"}, 65532)
    files = [text_file("/bin/python", b"x" * 1_000_000)]
    image = store.make("environment-1", [Wanted("environment.tar", "1", lambda: files)], settings)
    return Environment("environment-1", image, {})


def test_it_is_small_and_stands_on_the_environment(store: Store, environment: Environment) -> None:
    of = pipeline()
    made = make_stage(store, environment, spec(of, 0, "a = 1"), of, BASE)
    assert made.image.layers[0] == environment.image.layers[0]
    assert store.own_bytes(made.key) < 50_000
    assert made.image.settings.labels == {"j2k.dev/python": "3.11", "j2k.dev/stage": "load"}
    assert (store.folder(made.key) / "Dockerfile").read_text().splitlines()[1:4] == [
        f"# What it stands on is made first: docker build -t {BASE} ../environment-1",
        f"FROM {BASE}",
        "ADD stage.tar /",
    ]
    with tarfile.open(store.folder(made.key) / "stage.tar") as tar:
        contents = {f"/{member.name}": json.load(file) for member in tar if (file := tar.extractfile(member))}
    assert contents[STAGE]["cells"][0]["source"] == "a = 1"
    assert [stage["name"] for stage in contents[PIPELINE]["stages"]] == ["load", "draw"]


def test_an_edited_cell_changes_the_image_of_its_own_stage_alone(store: Store, environment: Environment) -> None:
    def digests(of: Pipeline, sources: tuple[str, str]) -> list[str]:
        return [
            make_stage(store, environment, spec(of, at, text), of, BASE).image.digest for at, text in enumerate(sources)
        ]

    before = digests(pipeline(), ("a = 1", "a"))
    after = digests(pipeline(seconds=2.0, recording="two"), ("a = 1", "a + 1"))
    assert before[0] == after[0]
    assert before[1] != after[1]


def test_images_that_are_not_wanted_any_more_are_removed(store: Store, environment: Environment) -> None:
    of = pipeline()
    old, new = (make_stage(store, environment, spec(of, 0, text), of, BASE) for text in ("a = 1", "a = 2"))
    store.keep_only([environment.key, new.key])
    assert store.load(old.key) is None
    assert store.load(new.key) == new.image


def test_a_stage_without_its_environment_is_none(store: Store, environment: Environment) -> None:
    of = pipeline()
    made = make_stage(store, environment, spec(of, 0, "a = 1"), of, BASE)
    (store.folder(environment.key) / "environment.tar").unlink()
    assert store.load(made.key) is None


def test_what_the_container_runs_can_be_said(store: Store, environment: Environment) -> None:
    of = pipeline()
    made = make_stage(store, environment, spec(of, 0, "a = 1"), of, BASE, ("j2k_dev.worker.main",))
    assert json.loads(made.image.config)["config"]["Cmd"] == ["j2k_dev.worker.main"]
    assert replace(made.image.settings, command=()) != made.image.settings
