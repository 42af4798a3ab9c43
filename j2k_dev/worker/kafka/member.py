"""A member of a stage's consumer group: which partitions it owns, and the one message that it holds.

The client's own thread sends heartbeats; a member whose process ended is missed after the session's time. A member
whose process lives but which is not asked for anything leaves the group after the lease: it hangs. While a message is
held, its partitions are paused, and polling only keeps the membership.
"""

from __future__ import annotations

import itertools
import select
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kafka import ConsumerRebalanceListener, KafkaConsumer, errors
from kafka.structs import MemberState, TopicPartition

from j2k_dev.worker.kafka.assignor import Claim, KeepingAssignor
from j2k_dev.worker.kafka.client import connected, explained, is_final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from j2k_dev.worker.kafka.settings import KafkaSettings

# How long a waiting member does not look at the descriptors that may wake it.
_LOOK_SECONDS = 0.1
_IDLE_SECONDS = 0.5
# Joining takes several round trips: a working member that is told to join again gives it that much at each beat.
_JOIN_SECONDS = 0.2
_CONNECT_SECONDS = 5.0


@dataclass(frozen=True)
class Held:
    """A record taken and not yet acknowledged; ``serial`` tells one holding of it from another."""

    partition: TopicPartition
    offset: int
    serial: int
    value: bytes

    @property
    def receipt(self) -> tuple[int, ...]:
        """Say which holding this is."""
        return self.partition.partition, self.offset, self.serial


class Member:
    """Consumes one topic as a member of the group of the same name; not for several threads.

    ``prepare`` is called for each partition that is new to this member, until it returns True.
    """

    def __init__(
        self, settings: KafkaSettings, topic: str, owner: str, lease: float, prepare: Callable[[int], bool]
    ) -> None:
        self._settings = settings
        self._prepare = prepare
        self._topic = topic
        self.held: Held | None = None
        self._serials = itertools.count(1)
        self._ownership = _Ownership()
        self._consumer = connected(
            KafkaConsumer,
            settings,
            client_id=owner,
            group_id=topic,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            allow_auto_create_topics=False,
            session_timeout_ms=int(settings.session * 1000),
            heartbeat_interval_ms=max(10, int(settings.session * 1000 / 6)),
            max_poll_interval_ms=int(max(lease, settings.session) * 1000),
            partition_assignment_strategy=(KeepingAssignor(topic, self._claim),),
            bootstrap_timeout_ms=int(min(_CONNECT_SECONDS, settings.deadline) * 1000),
            # A topic that is made anew under the same name is noticed by its metadata only.
            metadata_max_age_ms=10_000,
            metrics_enabled=False,
        )
        self._consumer.subscribe([topic], listener=self._ownership)

    def take(self, timeout: float, wake: Sequence[int]) -> Held | None:
        """Wait for the next record and hold it; what was held before is let go, and is the next record again."""
        self._let_go()
        deadline = time.monotonic() + timeout
        while True:
            left = max(0.0, deadline - time.monotonic())
            # Partitions that come are prepared between polls; who owns some already seldom gets others.
            longest = _LOOK_SECONDS if wake or not self._ownership.is_prepared() else _IDLE_SECONDS
            records = self._poll(min(left, longest))
            if records:
                return self._hold(records)
            if left <= 0 or self._is_woken(wake):
                return None

    def keeps(self, receipt: tuple[int, ...]) -> bool:
        """Keep the membership up, and say whether the record of that receipt is still held."""
        self._poll_paused(0.0)
        if self._consumer.group_metadata().state != MemberState.STABLE:
            self._poll_paused(_JOIN_SECONDS)
        return self.held is not None and self.held.receipt == receipt

    def proof(self, receipt: tuple[int, ...]) -> Any:
        """Return what proves the membership to the broker, or None where the record is not held any more.

        A member that was thrown out has a metadata that proves nothing, and which the broker would not even check.
        """
        proof = self._consumer.group_metadata()
        valid = proof.generation_id >= 0 and proof.member_id
        return proof if valid and self.held is not None and self.held.receipt == receipt else None

    def is_settled(self) -> bool:
        """Say whether the group is not just being put together anew."""
        return bool(self._consumer.group_metadata().state == MemberState.STABLE)

    def acknowledged(self, partition: TopicPartition) -> int | None:
        """Ask the broker where the group goes on reading in a partition."""
        offset: int | None = self._consumer.committed(partition, timeout_ms=int(_CONNECT_SECONDS * 1000))
        return offset

    def done(self) -> None:
        """Go on behind the record that was held: it is acknowledged."""
        self.held = None

    def gone(self) -> set[int]:
        """Return the partitions that were taken away since this was asked last."""
        return {partition.partition for partition in self._ownership.take_gone()}

    def close(self) -> None:
        """Leave the group: what was held is delivered to others at once."""
        self._consumer.close(autocommit=False, timeout_ms=1000)

    def _claim(self) -> Claim:
        held = self.held
        owned = frozenset(partition.partition for partition in self._ownership.owned)
        return Claim(owned, None if held is None else held.partition.partition)

    def _hold(self, records: dict[TopicPartition, list[Any]]) -> Held:
        ((partition, (record, *_)),) = records.items()
        self.held = Held(partition, record.offset, next(self._serials), record.value)
        self._ownership.losses.clear()
        self._consumer.pause(*self._consumer.assignment())
        return self.held

    def _let_go(self) -> None:
        held, self.held = self.held, None
        if held is not None and held.partition in self._consumer.assignment():
            self._consumer.seek(held.partition, held.offset)
        self._consumer.resume(*self._consumer.assignment())

    def _poll(self, seconds: float) -> dict[TopicPartition, list[Any]]:
        try:
            records: dict[TopicPartition, list[Any]] = self._consumer.poll(int(seconds * 1000), max_records=1)
        except errors.KafkaError as error:
            if is_final(error):
                raise explained(self._settings, f"reading {self._topic}", error) from error
            records = {}
            time.sleep(min(seconds, _LOOK_SECONDS))  # not to try again at once for as long as the broker is away
        self._see_joining_through()
        if self.held is not None and self.held.partition in self._ownership.losses:
            self.held = None
        new = self._ownership.take_new()
        self._ownership.put_back(one for one in new if not self._prepare(one.partition))
        return records

    def _see_joining_through(self) -> None:
        """Have the next poll go on with a joining that this one had no time for.

        kafka-python 3.0 forgets one that began because the topic's metadata had changed: it would neither own anything
        nor send heartbeats, for ever.
        """
        if self._consumer.group_metadata().state == MemberState.REBALANCING:
            self._consumer._coordinator.request_rejoin()  # noqa: SLF001 - see above

    def _poll_paused(self, seconds: float) -> None:
        self._consumer.pause(*self._consumer.assignment())
        # Partitions that came with this very poll were not paused yet.
        for partition, (record, *_) in self._poll(seconds).items():
            self._consumer.seek(partition, record.offset)

    def _is_woken(self, wake: Sequence[int]) -> bool:
        return bool(wake) and bool(select.select(wake, [], [], 0)[0])


class _Ownership(ConsumerRebalanceListener):  # type: ignore[misc]
    """Notes which partitions came and went; called by the client's thread while it polls."""

    def __init__(self) -> None:
        self._new: set[TopicPartition] = set()
        self._gone: set[TopicPartition] = set()
        self.owned: set[TopicPartition] = set()
        self.losses: set[TopicPartition] = set()

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._new.update(assigned)
        self.owned.update(assigned)

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self.losses.update(revoked)
        self._gone.update(revoked)
        self.owned.difference_update(revoked)
        self._new.difference_update(revoked)

    def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        self.on_partitions_revoked(lost)

    def is_prepared(self) -> bool:
        """Say whether there are partitions, and none that is new."""
        return bool(self.owned) and not self._new

    def take_new(self) -> Collection[TopicPartition]:
        new, self._new = self._new, set()
        return new

    def put_back(self, partitions: Iterable[TopicPartition]) -> None:
        self._new.update(partitions)

    def take_gone(self) -> Collection[TopicPartition]:
        gone, self._gone = self._gone, set()
        return gone
