"""The bus: small messages between stages, and exactly what every implementation of it can do atomically.

The embedded one is ``sqlite_bus``; a log such as Kafka does the same with one transaction per ``forward``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from j2k_dev.model.run import Message


class LeaseLost(Exception):  # noqa: N818 - it says what happened, and is no failure of the run
    """The message is somebody else's by now: whoever held it stops, and has sent nothing."""


@dataclass(frozen=True)
class Delivery:
    """A message taken and not yet forwarded; ``receipt`` is the bus's own proof of that."""

    topic: str
    owner: str
    message: Message
    receipt: tuple[int, ...]


@dataclass(frozen=True)
class Topics:
    """How topics are called within a scope: a run for the embedded bus, a pipeline for a cluster's."""

    scope: str

    def stage(self, name: str) -> str:
        """Name the topic whose messages start this stage."""
        return f"{self.scope}.stage.{name}"

    @property
    def results(self) -> str:
        """Name the topic that says how runs ended."""
        return f"{self.scope}.results"

    @property
    def dead_letters(self) -> str:
        """Name the topic of messages that used up their attempts."""
        return f"{self.scope}.dead-letters"


class Bus(Protocol):
    """Messages are delivered in order, at least once, to one owner at a time.

    An owner that neither forwards nor beats for a while loses the message, and it is delivered again.
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
        """Let go of files and connections; the next call opens them again. Leases stay."""
