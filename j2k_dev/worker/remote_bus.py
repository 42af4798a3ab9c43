"""A bus that another process talks to: so that the process which forks the cells' processes has no threads of its own.

``RemoteBus`` asks over a channel, ``answer`` does what was asked with the real bus; one question at a time.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Any

from j2k_dev.model.codec import from_plain, to_plain
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.model.run import Message
from j2k_dev.worker.bus import Delivery, LeaseLost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from j2k_dev.worker.bus import Bus
    from j2k_dev.worker.channel import Channel, Line

# Beyond any time-out of the bus itself: a process that is silent for so long is stuck.
_SILENCE_SECONDS = 300.0
_BEAT_SECONDS = 1.0


class RemoteBus:
    """The side that asks; ``waiting`` is called each second that an answer takes, as when the broker is away."""

    def __init__(self, channel: Channel, waiting: Callable[[], object] = lambda: None) -> None:
        self._channel = channel
        self._waiting = waiting
        self._asked_to_take = False

    def create_topics(self, topics: Iterable[str]) -> None:
        """Make topics known; those that exist stay as they are."""
        self._ask({"create_topics": list(topics)})

    def send(self, topic: str, message: Message) -> None:
        """Append a message to a topic that exists."""
        self._ask({"send": [topic, to_plain(message)]})

    def take(self, topic: str, owner: str, timeout: float, wake: Sequence[int] = ()) -> Delivery | None:
        """Take the next message; a question that was woken from stays asked, and its answer comes the next time."""
        if not self._asked_to_take:
            self._channel.send({"take": [topic, owner, timeout]})
            self._asked_to_take = True
        readable = select.select([self._channel.descriptor, *wake], [], [], timeout + _SILENCE_SECONDS)[0]
        if self._channel.descriptor not in readable:
            return None
        self._asked_to_take = False
        taken = self._answer()
        return None if taken is None else from_plain(Delivery, taken)

    def beat(self, delivery: Delivery) -> bool:
        """Renew the lease; False when the message is somebody else's."""
        return bool(self._ask({"beat": to_plain(delivery)}))

    def forward(self, delivery: Delivery, following: Sequence[tuple[str, Message]]) -> None:
        """Acknowledge the message and send the following ones, in one step; raise LeaseLost and send nothing else."""
        plain = [[topic, to_plain(message)] for topic, message in following]
        self._ask({"forward": [to_plain(delivery), plain]})

    def close(self) -> None:
        """Do nothing: what is open is the other process's."""

    def _ask(self, question: Line) -> Any:
        self._channel.send(question)
        return self._answer()

    def _answer(self) -> Any:
        while not select.select([self._channel.descriptor], [], [], _BEAT_SECONDS)[0]:
            self._waiting()
        line = self._channel.wait_for_line()
        if line is None:
            raise MachineryFailed("the process that talks to the broker ended", "Its log says why.")
        if "lease lost" in line:
            raise LeaseLost(line["lease lost"])
        if "failed" in line:
            raise MachineryFailed(*line["failed"])
        return line["done"]


def answer(bus: Bus, question: Line) -> Line:
    """Do what a line asks of the bus, and return the line that answers it."""
    try:
        return {"done": _do(bus, question)}
    except LeaseLost as error:
        return {"lease lost": str(error)}
    except MachineryFailed as error:
        return {"failed": [error.message, error.way_out]}


def _do(bus: Bus, question: Line) -> Any:
    ((verb, given),) = question.items()
    if verb == "take":
        taken = bus.take(*given)
        return None if taken is None else to_plain(taken)
    if verb == "beat":
        return bus.beat(from_plain(Delivery, given))
    if verb == "forward":
        delivery, following = given
        messages = [(topic, from_plain(Message, plain)) for topic, plain in following]
        return bus.forward(from_plain(Delivery, delivery), messages)
    if verb == "send":
        topic, plain = given
        return bus.send(topic, from_plain(Message, plain))
    return bus.create_topics(given)
