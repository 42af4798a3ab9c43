"""A worker in a container: its first process talks to the broker and answers the probes; the worker works.

The worker forks the cells' processes, and so has one thread; everything that needs more is in the first process. A
worker that is killed is replaced by its keeper; if the first process ends, the container does. Either way, what was
not forwarded is delivered again.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import secrets
import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from j2k_dev.model.codec import from_plain
from j2k_dev.model.pipeline import Pipeline
from j2k_dev.worker import memory, processes
from j2k_dev.worker.child import StageProgram
from j2k_dev.worker.environment import forget
from j2k_dev.worker.files.tree import CONTROL
from j2k_dev.worker.health import Health, serve
from j2k_dev.worker.kafka.settings import KEYS, settings_from_environment
from j2k_dev.worker.keeper import Keeper
from j2k_dev.worker.parent import Worker, WorkerSpec
from j2k_dev.worker.remote_bus import RemoteBus, answer
from j2k_dev.worker.spec import StageSpec
from j2k_dev.worker.warm import warm_up
from j2k_dev.worker.zygote import PRELOAD

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from j2k_dev.worker.channel import Channel
    from j2k_dev.worker.kafka.settings import KafkaSettings
    from j2k_dev.worker.keeper import Kept

HEALTH_PORT = 8080
STAGE = "J2K_STAGE"
TOPICS = ("INPUT_TOPIC", "OUTPUT_TOPIC", "RESULTS_TOPIC", "DEAD_LETTER_TOPIC")
ATTEMPTS = "J2K_ATTEMPTS"
TIMEOUT = "J2K_TIMEOUT"
# What a container is told beside the broker's settings.
OWN = (STAGE, *TOPICS, ATTEMPTS, TIMEOUT, "POD_NAME", "HOSTNAME")
_PROGRAM = "j2k_dev.worker.stage"
# What attempts made by pods are counted under: they go on counting whichever pod makes them.
_SESSION = "pods"
# A worker whose loop is silent for so long is killed; Kubernetes would look longer, and then wait for its farewell.
SILENCE_SECONDS = 15.0


@dataclass(frozen=True)
class GivenTopics:
    """The topics as the environment names them; ``own`` is the stage's, ``output`` the next one's, if there is one.

    Messages say which version of the next stage's topic is meant.
    """

    own: str
    output: str
    results: str
    dead_letters: str
    stage_name: str

    def stage(self, name: str) -> str:
        """Name the topic whose messages start this stage: a worker asks for its own and the one after it."""
        return self.own if name == self.stage_name else self.output


@dataclass(frozen=True)
class PodSpec:
    """What a worker is told: its stage and the pipeline by its image, the rest by its environment.

    ``timeout`` in seconds per cell; ``attempts`` are counted per run, whichever pods make them. ``worker`` is its name.
    """

    stage: StageSpec
    pipeline: Pipeline
    topics: GivenTopics
    attempts: int
    timeout: float | None
    worker: str

    @property
    def name(self) -> str:
        """Name the stage."""
        return self.stage.stage.name

    @property
    def following(self) -> str | None:
        """Name the next stage, if there is one."""
        names = [stage.name for stage in self.pipeline.stages]
        return dict(itertools.pairwise(names)).get(self.name)


def read_spec(folder: Path, environment: Mapping[str, str]) -> PodSpec:
    """Read what the image in ``folder`` and the environment say."""
    timeout = environment.get(TIMEOUT)
    return PodSpec(
        stage=from_plain(StageSpec, json.loads((folder / "stage.json").read_bytes())),
        pipeline=from_plain(Pipeline, json.loads((folder / "pipeline.json").read_bytes())),
        topics=GivenTopics(*(environment[name] for name in (*TOPICS, STAGE))),
        attempts=int(environment.get(ATTEMPTS, "3")),
        timeout=float(timeout) if timeout else None,
        worker=environment.get("POD_NAME") or f"{environment[STAGE]}-{secrets.token_hex(6)}",
    )


def main(arguments: Sequence[str]) -> int:
    """Serve the stage that the folder in ``arguments`` describes, until asked to stop."""
    spec = read_spec(Path(arguments[0]), os.environ)
    settings = settings_from_environment(os.environ)
    forget(os.environ, _is_ours)
    keeper = Keeper(functools.partial(_prepare, spec), functools.partial(_work, spec))
    signal.signal(signal.SIGTERM, lambda _number, _frame: keeper.stop())
    return _status_for_the_shell(_serve(spec, settings, keeper))


def _status_for_the_shell(code: int) -> int:
    """Say that a signal ended the worker as shells do: 128 and its number."""
    return code if code >= 0 else 128 - code


def _prepare(spec: PodSpec) -> None:
    _make_room(Path(spec.stage.work))
    warm_up((_PROGRAM,), PRELOAD)


def _work(spec: PodSpec, control: Channel, bus: Channel) -> int:
    nobody = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)  # events are told on the exchange
    remote = RemoteBus(bus, lambda: control.send({"beat": True}))
    return Worker(_worker_spec(spec), spec.worker, control, nobody, remote, (bus.descriptor,)).serve()


def _is_ours(name: str) -> bool:
    """Tell what is the worker's and the cluster's: the notebook had none of it, and some of it is secret."""
    return name in KEYS or name in OWN or name.startswith("KUBERNETES_")


def _make_room(work: Path) -> None:
    """Make the working directory on the empty volume that is mounted two levels above it."""
    (work.parent.parent / CONTROL).mkdir(exist_ok=True)
    work.mkdir(parents=True, exist_ok=True)


def _worker_spec(spec: PodSpec) -> WorkerSpec:
    return WorkerSpec(
        stage=spec.name,
        following=spec.following,
        program=StageProgram(_PROGRAM, spec.stage, spec.stage.exchange),
        topics=spec.topics,
        bus="",
        log="",
        session=_SESSION,
        attempts=spec.attempts,
        timeout=spec.timeout,
        once=False,
    )


def _serve(spec: PodSpec, settings: KafkaSettings, keeper: Keeper) -> int:
    """Answer probes, and workers' questions until one has ended for good; return how: below zero the signal."""
    health = Health(spec.name)
    serve(health, HEALTH_PORT)
    threading.Thread(target=_kill_when_silent, args=(keeper, health), daemon=True).start()
    while True:
        killed_for_memory = memory.kills()
        health.begin()
        if (worker := keeper.start()) is None:
            return 1
        _serve_one(settings, worker, health)
        code = keeper.ended()
        # One that was never ready would not be the next time; and that memory was short is Kubernetes' to hear.
        hopeless = not health.ready or memory.kills() > killed_for_memory
        if code >= 0 or hopeless or keeper.asked_to_stop:
            return code
        processes.log(f"the worker was killed by signal {-code}: another one takes its place\n")


def _serve_one(settings: KafkaSettings, worker: Kept, health: Health) -> None:
    """Answer a worker's questions until it has ended; its message is then delivered again at once."""
    from j2k_dev.worker.kafka.bus import KafkaBus  # noqa: PLC0415 - after the fork: it may start threads

    threading.Thread(target=_listen, args=(worker.control, health), daemon=True).start()
    bus = KafkaBus(settings)
    while (question := worker.questions.wait_for_line()) is not None:
        answered = answer(bus, question)
        _count(health, question, answered)
        worker.questions.send(answered)
    bus.close()
    worker.questions.close()


def _listen(control: Channel, health: Health) -> None:
    """Hear the worker's beats; it prepares its first child at once, as no other stage shares this container's CPU."""
    control.send({"prepare": True})
    while not control.closed:
        for line in control.receive():
            health.beat()
            health.ready = health.ready or "ready" in line
    control.close()


def _kill_when_silent(keeper: Keeper, health: Health) -> None:
    """Kill a worker that hangs, again and again: another one takes its place, and gets its message.

    Where there is no worker yet, nothing beats, and the probes end what hangs.
    """
    while True:
        threading.Event().wait(max(SILENCE_SECONDS - health.silent_seconds, 1.0))
        if health.silent_seconds >= SILENCE_SECONDS and keeper.kill():
            processes.log(f"the worker was silent for {SILENCE_SECONDS:g} s and is killed\n")
            health.beat()


def _count(health: Health, question: dict[str, Any], answered: dict[str, Any]) -> None:
    if "take" in question and answered.get("done"):
        health.counts["taken"] += 1
    if "forward" in question and "done" in answered:
        health.counts["forwarded"] += 1
    if "lease lost" in answered:
        health.counts["lost"] += 1
