"""Providing the images: what is present wins, what the cache has is loaded, and the choice is said."""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import docker.errors
import pytest
from docker import DockerClient

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.sandbox import images as module
from j2k_dev.sandbox.building.recipes import load_recipes
from j2k_dev.sandbox.commands import Command
from j2k_dev.sandbox.images import ROLES, images_at_hand, provide_images


@dataclass
class EngineImage:
    id: str
    attrs: dict[str, Any]


@dataclass
class Engine:
    """The part of a Docker engine that keeps images."""

    held: dict[str, EngineImage] = field(default_factory=dict)
    loaded: list[str] = field(default_factory=list)
    pulled: list[str] = field(default_factory=list)
    pull_error: str = ""

    @property
    def images(self) -> "Engine":
        return self

    def get(self, reference: str) -> EngineImage:
        if reference not in self.held:
            raise docker.errors.ImageNotFound(reference)
        return self.held[reference]

    def load(self, stream: IO[bytes]) -> None:
        reference = stream.read().decode()
        self.loaded.append(reference)
        self.hold(reference)

    def pull(self, reference: str) -> None:
        if self.pull_error:
            raise docker.errors.APIError(self.pull_error)
        self.pulled.append(reference)
        self.held[reference] = EngineImage("sha256:id", {"RepoDigests": ["name@sha256:digest"]})

    def hold(self, reference: str) -> None:
        self.held[reference] = EngineImage(f"sha256:of-{reference}", {"RepoDigests": []})


@dataclass
class Told:
    notes: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        yield

    def note(self, text: str) -> None:
        self.notes.append(text)


class NothingRuns:
    """A machine where nothing may be run."""

    def run(self, command: Command, way_out: str = "") -> str:
        raise AssertionError(str(command))


def provide(choice: module.Choice, engine: Engine, told: Told | None = None) -> Any:
    return provide_images(choice, cast("DockerClient", engine), NothingRuns(), told or Told())


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep everything built in a cache: image archives are their own names here."""
    monkeypatch.setenv("J2K_CACHE", str(tmp_path))
    recipes = load_recipes()
    for name, key in recipes.keys.items():
        folder = tmp_path / "sandbox" / name / key
        folder.mkdir(parents=True)
        (folder / "image.tar").write_text(recipes.artefact_reference(name))
    return tmp_path


@pytest.fixture
def no_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "registry_answers", lambda: False)


def test_images_that_docker_lost_are_loaded_from_the_cache() -> None:
    engine, recipes = Engine(), load_recipes()
    images = provide("packages", engine)
    assert engine.loaded == [recipes.reference(role) for role in ROLES]
    assert images.kafka.reference == recipes.reference("kafka")
    assert images.kafka.source == "packages"
    assert images.kubernetes == "1.34.4"
    assert images.kind.name == "kind"
    assert images.kubectl.name == "kubectl"


def test_images_that_docker_has_are_left_alone() -> None:
    engine = Engine()
    first = provide("packages", engine)
    engine.loaded.clear()
    assert provide("packages", engine) == first
    assert engine.loaded == []


def test_images_built_before_win_without_asking_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "registry_answers", lambda: pytest.fail("the network was asked"))
    engine, told = Engine(), Told()
    for role in ROLES:
        engine.hold(load_recipes().reference(role))
    assert provide("auto", engine, told).node.source == "packages"
    assert told.notes == []


@pytest.mark.usefixtures("no_registry")
def test_without_a_registry_images_are_built_and_that_is_said() -> None:
    told = Told()
    assert provide("auto", Engine(), told).node.source == "packages"
    assert [note for note in told.notes if "no container registry answers" in note]


def test_with_a_registry_the_public_images_are_pulled_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "registry_answers", lambda: True)
    engine, told = Engine(), Told()
    images = provide("auto", engine, told)
    assert engine.pulled == [load_recipes().tables["registry"][role] for role in ROLES]
    assert images.registry.digest == "sha256:digest"
    assert [note for note in told.notes if "a container registry answers" in note]


def test_a_pull_that_fails_names_the_command_and_the_other_source() -> None:
    with pytest.raises(MachineryFailed, match="could not pull kindest/node") as caught:
        provide("registry", Engine(pull_error="no route to host"))
    assert "--images packages" in caught.value.way_out
    assert "docker pull kindest/node" in caught.value.detail


def test_an_address_where_nothing_answers_is_no_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REGISTRY", "http://127.0.0.1:9/v2/")
    assert not module.registry_answers()


@pytest.mark.parametrize("held", ["built", "packages", "registry", "nothing"])
def test_images_that_need_no_building_are_at_hand(held: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "registry_answers", lambda: False)
    recipes, engine = load_recipes(), Engine()
    if held != "built":
        shutil.rmtree(cache / "sandbox")
    for role in ROLES if held in {"packages", "registry"} else ():
        engine.hold(recipes.reference(role) if held == "packages" else str(recipes.tables["registry"][role]))
    assert images_at_hand(cast("DockerClient", engine), NothingRuns(), Told()) is (held != "nothing")


def test_a_registry_that_answers_has_them_too(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "registry_answers", lambda: True)
    shutil.rmtree(cache / "sandbox")
    assert images_at_hand(cast("DockerClient", Engine()), NothingRuns(), Told())
