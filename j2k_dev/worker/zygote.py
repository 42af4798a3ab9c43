"""The zygote: one clean process with one thread that has imported what every stage needs and forks the workers.

It is started in the notebook's interpreter, reads what to serve from standard input, tells events on standard output,
replaces workers that die, and ends with all of them when standard input ends: j2k is gone, or has enough.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import secrets
import select
import signal
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from j2k_dev.worker import events, processes
from j2k_dev.worker.channel import Channel
from j2k_dev.worker.parent import DONE, STUCK, WorkerSpec, be_a_worker
from j2k_dev.worker.warm import warm_up

if TYPE_CHECKING:
    from collections.abc import Sequence

PRELOAD = ("IPython", "ipykernel.zmqshell")
SILENCE_SECONDS = 20.0
STOP_SECONDS = 2.0
# A worker that keeps dying without even taking a message (its attempts are counted elsewhere) will go on doing so.
MOST_REPLACEMENTS = 10


@dataclass(frozen=True)
class ZygoteSpec:
    """What to serve. ``lock`` is held (shared) by every process that comes of this, so that others can wait for it."""

    run: str
    workers: tuple[WorkerSpec, ...]
    exchange: str
    lock: str
    log: str
    preload: tuple[str, ...] = PRELOAD


@dataclass
class _Worker:
    """A forked worker: ``child`` is the process that runs its cells; ``heard`` when it last said anything."""

    spec: WorkerSpec
    name: str
    control: Channel
    child: int | None = None
    heard: float = field(default_factory=time.monotonic)


class Zygote:
    """Forks one worker per stage and keeps them alive."""

    def __init__(self, spec: ZygoteSpec, engine: int, live: int) -> None:
        self._spec = spec
        self._engine = engine
        self._live = live
        self._name = f"zygote-{os.getpid()}"
        self._signals = processes.ChildSignals()
        self._history = events.History(Path(spec.exchange) / "runs" / spec.run / "events", self._name)
        self._workers: dict[int, _Worker] = {}
        self._replacements: dict[str, int] = {}
        self._to_prepare = [worker.stage for worker in spec.workers]

    def serve(self) -> None:
        """Fork the workers and look after them until the engine has enough, or nobody is left."""
        try:
            for spec in self._spec.workers:
                self._fork(spec)
            self._prepare_next()
            while self._workers and not self._signals.stop and not self._wait():
                self._collect()
                self._kill_silent()
        finally:
            self._stop_all()

    def _wait(self) -> bool:
        """Wait until something happens; True when it is the engine's end."""
        controls = {worker.control.descriptor: worker for worker in self._workers.values()}
        watched = [self._engine, self._signals.descriptor, *controls]
        readable = select.select(watched, [], [], 1.0)[0]
        self._signals.drain()
        for descriptor in readable:
            if descriptor in controls:
                self._hear(controls[descriptor])
        return self._engine in readable and not os.read(self._engine, 4096)

    def _hear(self, worker: _Worker) -> None:
        worker.heard = time.monotonic()
        for line in worker.control.receive():
            if "child" in line:
                worker.child = line["child"]
            if "ready" in line:
                self._prepared(worker.spec.stage)

    def _prepared(self, stage: str) -> None:
        # One after the other, first stage first: all at once, their imports would slow down the stage that runs.
        if self._to_prepare and self._to_prepare[0] == stage:
            self._to_prepare.pop(0)
            self._prepare_next()
        elif stage in self._to_prepare:
            self._to_prepare.remove(stage)

    def _prepare_next(self) -> None:
        for worker in self._workers.values():
            if self._to_prepare and worker.spec.stage == self._to_prepare[0]:
                worker.control.send({"prepare": True})

    def _fork(self, spec: WorkerSpec) -> None:
        ours, theirs = Channel.pair()
        name = f"{spec.stage}-{os.getpid()}-{secrets.token_hex(3)}"
        process = os.fork()
        if process == 0:
            be_a_worker(spec, name, theirs, self._live, [ours.descriptor, *self._descriptors()])
        theirs.close()
        self._workers[process] = _Worker(spec, name, ours)

    def _descriptors(self) -> Sequence[int]:
        controls = (worker.control.descriptor for worker in self._workers.values())
        return [self._engine, self._history.descriptor, *self._signals.descriptors, *controls]

    def _collect(self) -> None:
        """Collect whoever has ended; unknown ones are orphans that were killed before."""
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] in self._workers:
                    self._ended(self._workers.pop(ended[0]), ended[1])

    def _ended(self, worker: _Worker, status: int) -> None:
        self._end_orphans(worker)
        worker.control.close()
        self._prepared(worker.spec.stage)
        if os.waitstatus_to_exitcode(status) in {DONE, STUCK}:
            return
        # Only now: who hears this gives its message to another, who must not meet what it left running.
        self._tell(worker, "worker-lost", {"worker": worker.name, "how": processes.how_it_ended(status)})
        self._replace(worker)

    def _replace(self, worker: _Worker) -> None:
        stage = worker.spec.stage
        self._replacements[stage] = self._replacements.get(stage, 0) + 1
        if self._replacements[stage] > MOST_REPLACEMENTS:
            message = f"the worker of stage {stage} died {self._replacements[stage]} times"
            self._tell(worker, "stuck", {"message": message, "way_out": f"Its log is {worker.spec.log}."})
        else:
            self._fork(worker.spec)

    def _end_orphans(self, worker: _Worker) -> None:
        for line in worker.control.receive_ready():
            worker.child = line.get("child", worker.child)
        if worker.child is not None:
            processes.end_group(worker.child)
        processes.end_strays(keep=self._workers)

    def _kill_silent(self) -> None:
        """Kill workers whose loop stopped beating; they are then replaced like any that died."""
        for process, worker in self._workers.items():
            if time.monotonic() - worker.heard > SILENCE_SECONDS:
                os.kill(process, signal.SIGKILL)

    def _stop_all(self) -> None:
        for process in self._workers:
            os.kill(process, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        self._forget_ended()
        while self._workers and (left := deadline - time.monotonic()) > 0:
            select.select([self._signals.descriptor], [], [], left)
            self._signals.drain()
            self._forget_ended()
        processes.end_strays(keep=())

    def _forget_ended(self) -> None:
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                worker = self._workers.pop(ended[0], None)
                if worker is not None:
                    self._end_orphans(worker)

    def _tell(self, worker: _Worker, event: str, detail: dict[str, str]) -> None:
        happened = events.now(self._name, self._spec.run, worker.spec.stage, 0, event, detail)
        self._history.append(happened)
        events.tell(self._live, happened)


def main(_arguments: Sequence[str] = ()) -> NoReturn:
    """Serve what standard input says; the engine starts this as a module."""
    spec: ZygoteSpec = pickle.load(sys.stdin.buffer)
    engine, live = os.dup(0), os.dup(1)
    processes.point_output_at(Path(spec.log))
    lock = os.open(spec.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    fcntl.flock(lock, fcntl.LOCK_SH)
    processes.adopt_orphans()
    warm_up({worker.program.module for worker in spec.workers}, spec.preload)
    try:
        Zygote(spec, engine, live).serve()
    except BaseException:  # noqa: BLE001 - this frame never returns, so nobody else would print it
        processes.log(traceback.format_exc())
    # Taking an interpreter with all of IPython apart takes long, and j2k waits for this process.
    os._exit(0)
