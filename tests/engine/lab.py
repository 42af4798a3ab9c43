"""The local engine with fake stages in a folder of its own: real processes, and gates where a test stops them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from j2k_dev.engine.local import LocalEngine, Places, RunRequest
from j2k_dev.model.pipeline import Pipeline, Stage
from j2k_dev.worker.bus import Topics
from j2k_dev.worker.exchange import Exchange
from j2k_dev.worker.sqlite_bus import SqliteBus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from j2k_dev.model.run import StageResult
    from j2k_dev.worker.events import Event

HERE = Path(__file__).parent
DEADLINE = 60.0
START = "import sys, importlib; sys.exit(importlib.import_module(sys.argv[1]).main(sys.argv[2:]))"


@dataclass(frozen=True)
class Start:
    """Starts our modules in this interpreter, the fake stage beside them."""

    gates: Path

    def argv(self, module: str, *arguments: str) -> list[str]:
        return [sys.executable, "-c", START, module, *arguments]

    def env(self) -> dict[str, str]:
        path = os.pathsep.join([str(HERE), str(HERE.parents[1])])
        return {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "5", "FAKE_STAGE_GATES": str(self.gates)}


@dataclass
class Lab:
    """A pipeline of fake stages in a folder of its own, and everything a test wants to know about it."""

    root: Path
    stages: int = 3
    does: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    told: list[Event] = field(default_factory=list)
    _news: threading.Condition = field(default_factory=threading.Condition)

    @property
    def names(self) -> list[str]:
        return [f"stage-{number}" for number in range(1, self.stages + 1)]

    @property
    def places(self) -> Places:
        root = self.root
        return Places(root / "bus.sqlite", root / "exchange", root / "work", root / "runs" / "run-1" / "logs")

    @property
    def exchange(self) -> Exchange:
        return Exchange(self.places.exchange)

    def request(self, **changes: Any) -> RunRequest:
        stages = tuple(Stage(name, (2 * i, 2 * i + 1), (), (), 0.0, 0) for i, name in enumerate(self.names))
        specs = {
            stage.name: {"name": stage.name, "cells": stage.cells, "does": self.does, "notes": str(self.root / "notes")}
            for stage in stages
        }
        for name, option in self.options.items():
            specs[name].update(option)
        pipeline = Pipeline("notebook", "recording", "auto", stages, ())
        fake = {"stage_module": "fake_stage", "preload": ()}
        return RunRequest("run-1", pipeline, specs, self.places, **{"parameters": {"rows": 5}, **fake, **changes})

    def run(self, **changes: Any) -> tuple[StageResult, ...]:
        for folder in (self.places.work, self.root / "gates"):
            folder.mkdir(exist_ok=True)
        return LocalEngine(Start(self.root / "gates")).run(self.request(**changes), self._hear)

    @contextmanager
    def command(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run in a process of its own, as the command does."""
        with subprocess.Popen([sys.executable, __file__, self.root], env=Start(self.root / "gates").env()) as process:
            try:
                yield process
            finally:
                process.kill()

    def _hear(self, event: Event) -> None:
        with self._news:
            self.told.append(event)
            self._news.notify_all()

    def wait_for(self, event: str, stage: str, attempt: int | None = None) -> Event:
        """Wait until the engine has told of an event."""

        def found() -> Event | None:
            fits = (e for e in self.told if e.event == event and e.stage == stage and attempt in {None, e.attempt})
            return next(fits, None)

        with self._news:
            assert self._news.wait_for(found, DEADLINE), f"no {event} of {stage} in {self.told}"
        happened = found()
        assert happened is not None
        return happened

    @contextmanager
    def stopped_at(self, gate: str) -> Iterator[None]:
        """Stop whoever comes to a gate, until the block is left."""
        path = self.root / "gates" / gate
        descriptor = open_when_read(path)
        path.unlink()
        try:
            yield
        finally:
            os.close(descriptor)

    def put_gates(self, *names: str) -> None:
        (self.root / "gates").mkdir(exist_ok=True)
        for name in names:
            os.mkfifo(self.root / "gates" / name)

    def notes(self) -> list[dict[str, Any]]:
        path = self.root / "notes"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def executions(self) -> list[tuple[str, int]]:
        return [(note["stage"], note["attempt"]) for note in self.notes()]

    def processes(self) -> dict[int, int]:
        """Find the processes of this lab: number to parent's number."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if f"FAKE_STAGE_GATES={self.root}/".encode() in (folder / "environ").read_bytes():
                    found[int(folder.name)] = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
        return found

    def zygote(self) -> int:
        """Find the zygote: the one whose parent is none of this lab's."""
        found = self.processes()
        (zygote,) = [process for process, parent in found.items() if parent not in found]
        return zygote

    def parent_of(self, process: int) -> int:
        return self.processes()[process]

    def child(self, stage: str, attempt: int = 1) -> int:
        """Find the process that runs the cells."""
        process = self.wait_for("started", stage, attempt).detail["process"]
        assert isinstance(process, int)
        return process

    def wait_for_end_of(self, process: int) -> None:
        wait_until(lambda: process not in self.processes(), lambda: f"process {process} does not end")

    def check_nothing_is_left_running(self) -> None:
        """Nobody is alive."""
        wait_until(lambda: not self.processes(), lambda: f"left behind: {self.processes()}")

    def check_nothing_is_left(self) -> None:
        """Nobody is alive, nothing unfinished lies about."""
        self.check_nothing_is_left_running()
        left = [path for path in self.root.rglob("*") if "tmp" in path.name or "bells" in path.name]
        assert left == []
        bus = SqliteBus(self.places.bus)
        topics = Topics("run-1")
        assert bus.waiting([*map(topics.stage, self.names), topics.results, topics.dead_letters]) == 0
        bus.close()

    def check_chain(self, results: tuple[StageResult, ...]) -> None:
        """Every stage got what the one before it published, and published once."""
        assert [result.stage for result in results] == self.names
        assert [result.failure for result in results] == [None] * self.stages
        chain = "start"
        for result in results:
            chain += f">{result.stage}"
            assert result.snapshot == chain
            assert self.exchange.read("run-1", result.stage) == result
        self.check_nothing_is_left()


def wait_until(condition: Callable[[], bool], complaint: Callable[[], str]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, complaint()
        threading.Event().wait(0.01)


def open_when_read(path: Path) -> int:
    """Open a named pipe for writing once somebody reads it."""
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            assert time.monotonic() < deadline, f"nobody came to {path.name}"
            threading.Event().wait(0.005)


@contextmanager
def running(lab: Lab, *gates: str, **changes: Any) -> Iterator[Future[tuple[StageResult, ...]]]:
    """Run in the background, with gates in place from the start."""
    lab.put_gates(*gates)
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(lab.run, **changes)


if __name__ == "__main__":
    Lab(Path(sys.argv[1]), does={"1": "leave-processes"}).run()
