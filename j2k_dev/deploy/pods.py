"""The pods of a pipeline as plain data: what each stage's pods do, read and need (``PodManager``)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from j2k_dev.worker.bus import Topics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from j2k_dev.model.pipeline import Pipeline, Stage

Role = Literal["only", "first", "middle", "last"]

REPLICAS = 3
HEALTH_PORT = 8080
# What a worker takes beside the notebook's own memory: its parent, the bus's process, the prepared child.
WORKER_BYTES = 192 << 20
_MEBIBYTE = 1 << 20
# What is derived from a peak is a multiple of this: peaks differ a little from recording to recording, and pods whose
# limits differ are started anew.
_STEP = 32 << 20
_LONGEST_NAME = 63


@dataclass(frozen=True)
class Resources:
    """What Kubernetes reserves for a container and what it may take at most; bytes and thousandths of a CPU.

    Of a run's stages one works and the others wait: little is reserved, so that small clusters have room for many.
    """

    memory_request: int
    memory_limit: int
    cpu_request: int = 20
    cpu_limit: int = 2000


@dataclass(frozen=True)
class PodManager:
    """The pods of one stage: their role in the pipeline, the topics they read and write, their image and needs.

    ``output_topic`` is the next stage's without the version that messages add: when the image of that one changes,
    these pods stay.
    """

    stage: str
    number: int
    role: Role
    image: str
    input_topic: str
    output_topic: str
    results_topic: str
    dead_letter_topic: str
    resources: Resources
    work: str
    timeout: float | None = None

    @property
    def name(self) -> str:
        """Name the stage's objects: numbered, so that listings are in the notebook's order."""
        return dns_label(f"stage-{self.number}-{self.stage}")

    @property
    def environment(self) -> dict[str, str]:
        """Say what the container is told beside the broker's settings."""
        limit = {} if self.timeout is None else {"J2K_TIMEOUT": f"{self.timeout:g}"}
        return {
            "J2K_STAGE": self.stage,
            "INPUT_TOPIC": self.input_topic,
            "OUTPUT_TOPIC": self.output_topic,
            "RESULTS_TOPIC": self.results_topic,
            "DEAD_LETTER_TOPIC": self.dead_letter_topic,
            **limit,
        }


@dataclass(frozen=True)
class Deployed:
    """A pipeline as it is deployed: where, which pods, and as whom they run on the exchange.

    ``kafka`` are the broker's settings as environment variables, without credentials: those are in the Secret of that
    name. ``replicas`` are those of the local overlay, the base has its own. ``scratch`` has to be writable.
    ``labels`` are on every object beside the standard ones.
    """

    pipeline: str
    namespace: str
    pods: tuple[PodManager, ...]
    kafka: Mapping[str, str]
    user: int
    group: int
    replicas: int = REPLICAS
    scratch: str = "/tmp"  # noqa: S108 - the container's own
    exchange_bytes: int = 10 << 30
    labels: Mapping[str, str] = field(default_factory=dict)


def plan_pods(
    pipeline: Pipeline,
    images: Mapping[str, str],
    work: str,
    timeout: float | None = None,
    memory: Mapping[str, int] | None = None,
) -> tuple[PodManager, ...]:
    """Make the pods of every stage.

    ``images`` are references with digests, by stage; ``work`` is the notebook's working directory; ``timeout`` in
    seconds per cell; ``memory`` in bytes by stage where it is not to follow from the recording.
    """
    stages, topics = pipeline.stages, Topics(pipeline.name)
    outputs = [*(topics.stage(stage.name) for stage in stages[1:]), topics.results]
    return tuple(
        PodManager(
            stage=stage.name,
            number=number,
            role=_role(number, len(stages)),
            image=images[stage.name],
            input_topic=input_topic(pipeline, stage.name, images[stage.name]),
            output_topic=output,
            results_topic=topics.results,
            dead_letter_topic=topics.dead_letters,
            resources=resources_of(stage, (memory or {}).get(stage.name)),
            work=work,
            timeout=timeout,
        )
        for number, (stage, output) in enumerate(zip(stages, outputs, strict=True), start=1)
    )


def input_topic(pipeline: Pipeline, stage: str, image: str) -> str:
    """Name the topic of a stage as this image runs it: pods of another image never get its messages."""
    return f"{Topics(pipeline.name).stage(stage)}.{_version(image)}"


def reads_for(topic: str, image: str) -> bool:
    """Tell whether pods of an image read a topic."""
    return topic.rpartition(".")[2] == _version(image)


def _version(image: str) -> str:
    return image.rpartition(":")[2][:12]


def resources_of(stage: Stage, memory: int | None = None) -> Resources:
    """Derive requests and limits from the peak that the recording measured: half as much again, for what varies.

    ``memory`` in bytes is reserved and taken instead, as it was asked for.
    """
    if memory is not None:
        return Resources(_whole_mebibytes(memory), _whole_mebibytes(memory))
    request = stage.peak_bytes + WORKER_BYTES
    return Resources(_in_steps(request), _in_steps(request + stage.peak_bytes // 2 + WORKER_BYTES))


def dns_label(text: str) -> str:
    """Turn any text into a name that Kubernetes and Kafka take (RFC 1123: lower case, digits, dashes, 63 at most)."""
    label = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return label[:_LONGEST_NAME].strip("-") or "x"


def _role(number: int, count: int) -> Role:
    if count == 1:
        return "only"
    if number == 1:
        return "first"
    return "last" if number == count else "middle"


def _whole_mebibytes(number: int) -> int:
    return -(-number // _MEBIBYTE) * _MEBIBYTE


def _in_steps(number: int) -> int:
    return -(-number // _STEP) * _STEP
