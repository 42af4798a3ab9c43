"""The local engine: a run of the pipeline in processes of this machine, in the notebook's own interpreter.

It starts one zygote, which forks a worker per stage; sends the first message, or goes on with those of an interrupted
run; replaces what dies; and says what every stage ended with. If j2k itself dies, all of it ends, and nothing is lost:
the exchange has what was published, the bus has what comes next.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pickle
import secrets
import select
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.model.run import Attempt, Message, StageResult
from j2k_dev.worker import events
from j2k_dev.worker.bus import Topics
from j2k_dev.worker.child import StageProgram, outcome_of
from j2k_dev.worker.events import Event
from j2k_dev.worker.exchange import Exchange
from j2k_dev.worker.parent import WorkerSpec
from j2k_dev.worker.sqlite_bus import SqliteBus
from j2k_dev.worker.zygote import PRELOAD, ZygoteSpec

if TYPE_CHECKING:
    from pathlib import Path

    from j2k_dev.model.pipeline import Pipeline

Progress = Callable[[Event], None]

MOST_ZYGOTES = 5
FIRST_BACKOFF_SECONDS = 0.1
ALONE_SECONDS = 20.0
STOP_SECONDS = 10.0
LOOK_SECONDS = 1.0
_LOCK_POLL_SECONDS = 0.01


class Launcher(Protocol):
    """Starts modules of ours in the notebook's interpreter."""

    def argv(self, module: str, *arguments: str) -> list[str]:
        """Make the command that runs ``module.main(arguments)``."""

    def env(self) -> dict[str, str]:
        """Make the environment of that command, PYTHONHASHSEED included."""


@dataclass(frozen=True)
class Places:
    """Where a run has its things: the bus's file, the exchange's folder, the working directory, the logs' folder."""

    bus: Path
    exchange: Path
    work: Path
    logs: Path


@dataclass(frozen=True)
class RunRequest:
    """A run: ``specs`` by stage name are what ``prepare`` of the stage module gets; ``timeout`` in seconds per cell.

    A run is identified by its name: asked for again, it keeps the results it has and goes on.
    """

    run: str
    pipeline: Pipeline
    specs: Mapping[str, Any]
    places: Places
    parameters: Mapping[str, Any] = field(default_factory=dict)
    timeout: float | None = None
    attempts: int = 3
    stage_module: str = "j2k_dev.worker.stage"
    preload: tuple[str, ...] = PRELOAD


class LocalEngine:
    """Runs pipelines on this machine; the caller holds the workspace's lock."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher

    def run(self, request: RunRequest, progress: Progress = lambda _event: None) -> tuple[StageResult, ...]:
        """Run to the end, and return the results of the stages in order; the last one says how the run ended.

        Raises MachineryFailed where the run can't end now; the same request goes on from there later.
        """
        run = _Run(request)
        try:
            run.wait_until_alone()
            if run.resume():
                self._supervise(run, progress)
            return run.finish()
        finally:
            run.bus.close()

    def _supervise(self, run: _Run, progress: Progress) -> None:
        backoff = FIRST_BACKOFF_SECONDS
        for _ in range(MOST_ZYGOTES):
            with _zygote(self._launcher, run) as zygote:
                if run.follow(zygote, progress):
                    return
            run.wait_until_alone()
            run.bus.release_all(run.all_topics)
            select.select([], [], [], backoff)
            backoff *= 2
        detail = _tail(run.log("engine"))
        raise MachineryFailed(f"the stages' processes ended {MOST_ZYGOTES} times", f"See {run.log('engine')}.", detail)


def attempts(exchange: Path, run: str, stage: str) -> tuple[Attempt, ...]:
    """Tell the attempts of a stage of a run, from its event history."""
    return events.attempts_of(events.read_events(Exchange(exchange).events(run)), stage)


class _Run:
    """One run's own things: names, topics, what is done already."""

    def __init__(self, request: RunRequest) -> None:
        self.request = request
        self.places = request.places
        self.topics = Topics(request.run)
        self.exchange = Exchange(request.places.exchange)
        self.bus = SqliteBus(request.places.bus)
        self.stages = [stage.name for stage in request.pipeline.stages]
        self.all_topics = [*map(self.topics.stage, self.stages), self.topics.results, self.topics.dead_letters]

    def log(self, name: str) -> Path:
        return self.places.logs / f"{name}.log"

    @property
    def lock(self) -> Path:
        return self.places.exchange / "workers.lock"

    def wait_until_alone(self) -> None:
        """Wait until no process of an earlier engine or zygote is left: each of them holds the lock, shared."""
        self.places.exchange.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + ALONE_SECONDS
        with self.lock.open("a") as file:
            while not _try_lock(file.fileno()):
                if time.monotonic() > deadline:
                    way_out = f"End the processes that hold {self.lock} (`fuser -v {self.lock}`), then run again."
                    raise MachineryFailed("processes of an earlier run are still alive", way_out)
                select.select([], [], [], _LOCK_POLL_SECONDS)

    def resume(self) -> bool:
        """Put the run where it has to go on; False if it has ended."""
        results = self.results()
        if self._is_the_end(results):
            return False
        self._sweep()
        self.bus.drop([self.topics.results, self.topics.dead_letters])
        self.bus.create_topics(self.all_topics)
        self.bus.release_all(self.all_topics)
        due = self.stages[: len(results) + 1]
        if not self.bus.waiting([self.topics.stage(stage) for stage in due]):
            self._send(due[-1], results[-1].snapshot if results else None)
        return True

    def _sweep(self) -> None:
        """Remove what processes that were killed left unfinished; no process of the run is alive."""
        self.exchange.sweep(self.request.run, store=self._was_cut_off())

    def _was_cut_off(self) -> bool:
        attempts = sum(len(self.exchange.claims(self.request.run, stage)) for stage in self.stages)
        return attempts > len(self.results())

    def _send(self, stage: str, snapshot: str | None) -> None:
        message = Message(self.request.run, stage, snapshot, dict(self.request.parameters))
        self.bus.send(self.topics.stage(stage), message)

    def results(self) -> list[StageResult]:
        """Read what is published, up to the first stage that is not."""
        found: list[StageResult] = []
        for stage in self.stages:
            result = self.exchange.read(self.request.run, stage)
            if result is None:
                break
            found.append(result)
            if outcome_of(result) != "published":
                break
        return found

    def _is_the_end(self, results: list[StageResult]) -> bool:
        return bool(results) and (len(results) == len(self.stages) or outcome_of(results[-1]) != "published")

    def follow(self, zygote: subprocess.Popen[bytes], progress: Progress) -> bool:
        """Pass on events until the run has ended, which is True, or the zygote has, which is not."""
        assert zygote.stdout is not None
        for event in _events(zygote.stdout.fileno()):
            if event is not None:
                self._heed(event)
                progress(event)
            if (event is None or event.event == "forwarded") and self._ended():
                return True
        return self._ended()

    def _heed(self, event: Event) -> None:
        if event.event == "worker-lost":
            self.bus.release(event.detail["worker"])
        if event.event == "stuck":
            raise MachineryFailed(event.detail["message"], event.detail["way_out"])

    def _ended(self) -> bool:
        return self.bus.waiting([self.topics.results]) > 0

    def finish(self) -> tuple[StageResult, ...]:
        """Forget the run's messages; what counts is published."""
        results = self.results()
        if not self._is_the_end(results):
            raise MachineryFailed("the run ended without all of its results", "Run the same command again.")
        self.bus.drop(self.all_topics)
        self._sweep()
        return tuple(results)

    def zygote_spec(self) -> ZygoteSpec:
        """Say what has to be served: the stages that have no result yet, or one that was not passed on."""
        session = secrets.token_hex(8)
        done = len(self.results())
        waiting = [stage for stage in self.stages[:done] if self.bus.waiting([self.topics.stage(stage)])]
        workers = tuple(self._worker(stage, session) for stage in [*waiting, *self.stages[done:]])
        run, exchange = self.request.run, str(self.places.exchange)
        return ZygoteSpec(run, workers, exchange, str(self.lock), str(self.log("engine")), self.request.preload)

    def _worker(self, stage: str, session: str) -> WorkerSpec:
        following = dict(zip(self.stages, self.stages[1:], strict=False)).get(stage)
        program = StageProgram(self.request.stage_module, self.request.specs[stage], str(self.places.exchange))
        return WorkerSpec(
            stage,
            following,
            program,
            self.topics,
            str(self.places.bus),
            str(self.log(stage)),
            session,
            self.request.attempts,
            self.request.timeout,
        )


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _zygote(launcher: Launcher, run: _Run) -> Iterator[subprocess.Popen[bytes]]:
    """Start a zygote and tell it what to serve; on the way out, end it with all that it started."""
    log = run.log("engine")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as errors:
        process = subprocess.Popen(
            launcher.argv("j2k_dev.worker.zygote"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=launcher.env(),
            cwd=run.places.work,
            start_new_session=True,  # Ctrl-C is for j2k, which then ends it in order
        )
    try:
        _tell(process, pickle.dumps(run.zygote_spec(), protocol=4))
        yield process
    finally:
        _stop(process)


def _tell(process: subprocess.Popen[bytes], spec: bytes) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it died at once: its events end, and its log says why
        process.stdin.write(spec)
        process.stdin.flush()


def _stop(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()  # its workers notice, and end by themselves
        process.wait()
    process.stdout.close()


def _events(descriptor: int) -> Iterator[Event | None]:
    """Read events as they come, and None now and then when none does, until the last writer is gone."""
    rest = b""
    while True:
        if not select.select([descriptor], [], [], LOOK_SECONDS)[0]:
            yield None
            continue
        got = os.read(descriptor, 65536)
        if not got:
            return
        *lines, rest = (rest + got).split(b"\n")
        yield from filter(None, map(events.decode, lines))


def _tail(path: Path) -> str:
    return path.read_text(errors="replace")[-2000:] if path.exists() else ""
