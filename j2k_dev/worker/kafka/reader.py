"""Reads a topic's messages beside its group, taking them from nobody: what runs ended with, and what still waits."""

from __future__ import annotations

import json
import select
import time
from typing import TYPE_CHECKING, Any, TypeVar

from kafka import KafkaConsumer, errors
from kafka.structs import TopicPartition

from j2k_dev.model.codec import CodecError, from_plain, to_plain
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.model.run import Message
from j2k_dev.worker.kafka.client import connected, explained, is_final, persistently

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from j2k_dev.worker.kafka.settings import KafkaSettings

T = TypeVar("T")

_LOOK_SECONDS = 0.1


def encode(message: Message) -> bytes:
    """Write a message as it is in topics."""
    return json.dumps(to_plain(message)).encode()


def decode(value: bytes, topic: str) -> Message:
    """Read a message as it is in topics; raise MachineryFailed if it is not one of j2k's."""
    try:
        return from_plain(Message, json.loads(value))
    except (ValueError, CodecError) as error:
        message = f"the topic {topic} has a message that j2k did not write"
        raise MachineryFailed(
            message, "Let nobody else write to it; remove it (`j2k down`), then run again."
        ) from error


class KafkaReader:
    """Reads all that is in one topic; what transactions have not committed is not there.

    From its beginning on, or, ``unfinished``, from where the topic's group goes on.
    """

    def __init__(self, settings: KafkaSettings, topic: str, partitions: int, *, unfinished: bool = False) -> None:
        self._settings = settings
        self._topic = topic
        self._partitions = [TopicPartition(topic, number) for number in range(partitions)]
        self._waiting: list[tuple[int, Message]] = []
        self._consumer = self._persistently(lambda: _consumer(settings, topic if unfinished else None))
        self._consumer.assign(self._partitions)
        for partition in self._partitions:
            self._consumer.seek(partition, self._acknowledged(partition) if unfinished else 0)

    def next(self, timeout: float, wake: Sequence[int] = ()) -> Message | None:
        """Return the next message, waiting for one up to ``timeout`` seconds or until ``wake`` is readable."""
        deadline = time.monotonic() + timeout
        while not self._waiting:
            left = max(0.0, deadline - time.monotonic())
            self._waiting += self._poll(min(left, _LOOK_SECONDS))
            if not self._waiting and (left <= 0 or (wake and select.select(wake, [], [], 0)[0])):
                return None
        return self._waiting.pop(0)[1]

    def rest(self) -> list[tuple[int, Message]]:
        """Return all messages that are there by now, each with its partition."""
        ends = self._persistently(lambda: self._consumer.end_offsets(self._partitions))
        deadline = time.monotonic() + self._settings.deadline
        while any(self._consumer.position(partition) < end for partition, end in ends.items()):
            self._waiting += self._poll(_LOOK_SECONDS)
            if time.monotonic() > deadline:
                raise explained(self._settings, f"reading {self._topic}", errors.KafkaTimeoutError("at the deadline"))
        found, self._waiting = self._waiting, []
        return found

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()

    def _acknowledged(self, partition: TopicPartition) -> int:
        """Ask where the group goes on, waiting for a transaction that is just being committed."""
        milliseconds = int(self._settings.deadline * 1000)
        return self._persistently(lambda: self._consumer.committed(partition, timeout_ms=milliseconds)) or 0

    def _persistently(self, call: Callable[[], T]) -> T:
        return persistently(self._settings, f"reading {self._topic}", call)

    def _poll(self, seconds: float) -> list[tuple[int, Message]]:
        try:
            polled = self._consumer.poll(int(seconds * 1000))
        except errors.KafkaError as error:
            if is_final(error):
                raise explained(self._settings, f"reading {self._topic}", error) from error
            time.sleep(min(seconds, _LOOK_SECONDS))  # not to try again at once for as long as the broker is away
            return []
        records = sorted((record for batch in polled.values() for record in batch), key=lambda one: one.timestamp)
        return [(record.partition, decode(record.value, record.topic)) for record in records]


def _consumer(settings: KafkaSettings, group: str | None) -> Any:
    return connected(
        KafkaConsumer,
        settings,
        client_id="j2k-reader",
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        allow_auto_create_topics=False,
        bootstrap_timeout_ms=int(settings.deadline * 1000),
        metrics_enabled=False,
    )
