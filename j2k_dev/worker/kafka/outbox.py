"""Transactions of the owner of one partition: what follows from a message is sent, and it is acknowledged, in one step.

The transactional id is the partition's, not the process's: whoever owns the partition next ends what its owner before
left open, at once, and shuts it out, should it still be alive.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kafka import KafkaProducer, errors
from kafka.structs import OffsetAndMetadata

from j2k_dev.worker.kafka.client import bounded, connected

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kafka.structs import TopicPartition

    from j2k_dev.worker.kafka.settings import KafkaSettings

# What an owner that died left open, and nobody followed, keeps readers waiting for so long at most.
_TRANSACTION_SECONDS = 30.0
# By these the broker says that a partition has another owner.
SHUT_OUT = (
    errors.ProducerFencedError,
    errors.InvalidProducerEpochError,
    errors.CommitFailedError,
    errors.FencedInstanceIdError,
)

Record = tuple["TopicPartition", bytes]


class Outbox:
    """Sends in transactions for one partition; ``meanwhile`` is called while the broker is waited for."""

    def __init__(
        self, settings: KafkaSettings, partition: TopicPartition, seconds: float, meanwhile: Callable[[], object]
    ) -> None:
        """Shut out whoever owned the partition before; raises KafkaError."""
        self._partition = partition
        self._meanwhile = meanwhile
        self._used = time.monotonic()
        self._producer = bounded(seconds, lambda: _producer(settings, partition, seconds), meanwhile)
        self._within(seconds, self._producer.init_transactions)

    def forward(self, records: Sequence[Record], offset: int, proof: Any, seconds: float) -> None:
        """Send records and acknowledge up to ``offset``, or neither; raises KafkaError, and is then of no more use."""
        self._used = time.monotonic()
        offsets = {self._partition: OffsetAndMetadata(offset, "", -1)}
        self._within(seconds, lambda: self._transact(records, offsets, proof))

    @property
    def idle_seconds(self) -> float:
        """Say for how long nothing was sent."""
        return time.monotonic() - self._used

    def close(self) -> None:
        """Disconnect without waiting for anything."""
        # The client's own close waits for what was not sent yet, whatever time it is given.
        self._producer._sender.force_close()  # noqa: SLF001 - see above
        with suppress(errors.KafkaError):
            self._producer.close(timeout=0)

    def _transact(self, records: Sequence[Record], offsets: dict[TopicPartition, Any], proof: Any) -> None:
        self._producer.begin_transaction()
        for (topic, partition), value in records:
            self._producer.send(topic, value, partition=partition)
        self._producer.send_offsets_to_transaction(offsets, proof)
        self._producer.commit_transaction()

    def _within(self, seconds: float, call: Callable[[], None]) -> None:
        """Call within a time; whatever fails, the producer ends, and the next one aborts what it began."""
        try:
            bounded(seconds, call, self._meanwhile)
        except errors.KafkaError:
            self.close()
            raise


def _producer(settings: KafkaSettings, partition: TopicPartition, seconds: float) -> Any:
    milliseconds = int(seconds * 1000)
    return connected(
        KafkaProducer,
        settings,
        client_id=f"j2k-{partition.topic}-{partition.partition}",
        transactional_id=f"{partition.topic}.{partition.partition}",
        transaction_timeout_ms=int(_TRANSACTION_SECONDS * 1000),
        max_block_ms=milliseconds,
        bootstrap_timeout_ms=milliseconds,
        allow_auto_create_topics=False,
        metrics_enabled=False,
    )
