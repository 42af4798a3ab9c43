"""A sandbox in the hands of a test, and what it says; reading what is in its broker."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kafka import KafkaConsumer, TopicPartition

from j2k_dev.sandbox.commands import SystemRunner
from j2k_dev.sandbox.down import take_down
from j2k_dev.sandbox.up import bring_up

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient

    from j2k_dev.sandbox.model import Images, Sandbox, SandboxState


@dataclass
class Said:
    """Keeps what a sandbox says while it is brought up or taken down."""

    steps: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        self.steps.append(title)
        yield

    def note(self, text: str) -> None:
        self.notes.append(text)


@dataclass(frozen=True)
class Handle:
    """A sandbox under test: ``up`` and ``down`` it as often as it takes."""

    sandbox: Sandbox
    images: Images
    client: DockerClient

    def up(self, nodes: int | None = None, said: Said | None = None) -> SandboxState:
        return bring_up(self.sandbox, self.images, nodes, self.client, SystemRunner(), said or Said())

    def down(self) -> None:
        take_down(self.sandbox, self.client, Said())

    def container(self, role: str) -> Any:
        return self.client.containers.get(self.sandbox.container(role))


def read_all(bootstrap: str, topic: str, count: int, seconds: float = 30) -> list[str]:
    """Read ``count`` committed messages of a topic with one partition, or as many as come in time."""
    partition = TopicPartition(topic, 0)
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap, isolation_level="read_committed", consumer_timeout_ms=int(seconds * 1000)
    )
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    try:
        return [message.value.decode() for message in itertools.islice(consumer, count)]
    finally:
        consumer.close()
