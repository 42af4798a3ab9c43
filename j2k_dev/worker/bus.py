"""The bus: small messages between stages, and exactly what every implementation of it can do atomically.

The embedded one is ``sqlite_bus``; ``kafka.bus`` is the cluster's, with one transaction per ``forward``.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from j2k_dev.model.run import Message  # noqa: TC001 - the codec reads a delivery's types

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class LeaseLost(Exception):  # noqa: N818 - it says what happened, and is no failure of the run
    """The message is somebody else's by now: whoever held it stops, and has sent nothing."""


@dataclass(frozen=True)
class Delivery:
    """A message taken and not yet forwarded; ``receipt`` is the bus's own proof of that."""

    topic: str
    owner: str
    message: Message
    receipt: tuple[int, ...]


_VALID_NAME = re.compile(r"[A-Za-z0-9-]([A-Za-z0-9._-]*[A-Za-z0-9-])?")
_LONGEST_PART = 80


@dataclass(frozen=True)
class Topics:
    """How topics are called within a scope: a run for the embedded bus, a pipeline for a cluster's.

    Names are what Kafka takes: 249 letters, digits, dots, dashes and underscores at most.
    """

    scope: str

    def stage(self, name: str) -> str:
        """Name the topic whose messages start this stage."""
        return f"{_valid(self.scope)}.stage.{_valid(name)}"

    @property
    def prefix(self) -> str:
        """Say what the names of all these topics begin with."""
        return f"{_valid(self.scope)}."

    @property
    def results(self) -> str:
        """Name the topic that says how runs ended."""
        return f"{_valid(self.scope)}.results"

    @property
    def dead_letters(self) -> str:
        """Name the topic of messages that used up their attempts."""
        return f"{_valid(self.scope)}.dead-letters"

    def all(self, stages: Iterable[str]) -> tuple[str, ...]:
        """Name all topics of a pipeline with these stages."""
        return (*(self.stage(stage) for stage in stages), self.results, self.dead_letters)


def _valid(part: str) -> str:
    """Keep a part of a topic's name that is valid, else make it so; different ones stay different."""
    if len(part) <= _LONGEST_PART and _VALID_NAME.fullmatch(part):
        return part
    digest = hashlib.sha256(part.encode()).hexdigest()[:12]
    readable = re.sub(r"[^A-Za-z0-9]+", "-", part)[: _LONGEST_PART - len(digest) - 1].strip("-")
    return f"{readable}-{digest}" if readable else digest


class TopicNames(Protocol):
    """What a worker has to know of topics: its own stage's, the next one's, and where ends are told."""

    def stage(self, name: str) -> str:
        """Name the topic whose messages start this stage."""

    @property
    def results(self) -> str:
        """Name the topic that says how runs ended."""

    @property
    def dead_letters(self) -> str:
        """Name the topic of messages that used up their attempts."""


class Bus(Protocol):
    """Messages are delivered at least once, to one owner at a time, in order wherever one owner takes them all.

    An owner that neither forwards nor beats for a while loses the message, and it is delivered again. An owner works on
    one message of a topic at a time: one that takes the next without having forwarded may be given the same again.
    """

    def create_topics(self, topics: Iterable[str]) -> None:
        """Make topics known; those that exist stay as they are."""

    def send(self, topic: str, message: Message) -> None:
        """Append a message to a topic that exists."""

    def take(self, topic: str, owner: str, timeout: float, wake: Sequence[int] = ()) -> Delivery | None:
        """Lease the next message, waiting up to ``timeout`` seconds or until a descriptor in ``wake`` is readable."""

    def beat(self, delivery: Delivery) -> bool:
        """Renew the lease; False when the message is somebody else's."""

    def forward(self, delivery: Delivery, following: Sequence[tuple[str, Message]]) -> None:
        """Acknowledge the message and send the following ones, in one step; raise LeaseLost and send nothing else."""

    def close(self) -> None:
        """Let go of files and connections; the next call opens them again. Leases that hang on a connection end."""
