"""The cluster's bus: Kafka topics, a consumer group per topic, and one transaction per ``forward``.

A message is delivered to the member that owns its partition, and forwarded in a transaction that the broker refuses
from any other. A run's messages keep to one partition number in all topics, so that runs which began side by side stay
side by side. The client has threads of its own: a process with a ``KafkaBus`` that is open forks nobody.
"""

from __future__ import annotations

import time
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Any

from kafka import KafkaProducer, errors
from kafka.structs import TopicPartition

from j2k_dev.worker.bus import Delivery, LeaseLost
from j2k_dev.worker.kafka import log as kafka_log
from j2k_dev.worker.kafka import msk
from j2k_dev.worker.kafka.client import FIRST_BACKOFF_SECONDS, connected, explained, is_final, persistently
from j2k_dev.worker.kafka.member import Member
from j2k_dev.worker.kafka.outbox import SHUT_OUT, Outbox
from j2k_dev.worker.kafka.reader import KafkaReader, decode, encode
from j2k_dev.worker.kafka.topics import KafkaTopics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from j2k_dev.model.run import Message
    from j2k_dev.worker.kafka.outbox import Record
    from j2k_dev.worker.kafka.settings import KafkaSettings

LEASE_SECONDS = 15.0
_RECONNECT_SECONDS = 2.0
# What sent nothing for so long is disconnected; connecting again takes some hundredths of a second.
_IDLE_SECONDS = 60.0
# A producer that hears nothing for so long may hang on a connection that a restarted broker forgot: another is made.
_TRY_SECONDS = 10.0


class KafkaBus:
    """A ``Bus`` on a Kafka broker; one object belongs to one thread.

    ``lease`` in seconds: an owner that lives, but neither forwards nor beats for so long, loses its message. One that
    dies loses it after ``settings.session``. Nothing is connected before the first call. ``tell`` gets its log.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        lease: float = LEASE_SECONDS,
        tell: Callable[[str], object] = kafka_log.to_stderr,
    ) -> None:
        kafka_log.listen(tell)
        if settings.aws is not None:
            msk.register()
        self._settings = settings
        self._lease = lease
        self._topics = KafkaTopics(settings)
        self._producer: Any = None
        self._members: dict[str, Member] = {}
        self._outboxes: dict[TopicPartition, Outbox] = {}
        self._forwarding: TopicPartition | None = None

    def create_topics(self, topics: Iterable[str], partitions: int = 1) -> None:
        """Make topics; those that exist stay as they are. As many owners of a topic as partitions work side by side."""
        self._topics.create(topics, partitions)

    def delete_topics(self, topics: Sequence[str]) -> None:
        """Remove topics with all that is in them; those that do not exist are no error."""
        self._topics.delete(topics)

    def topics(self, prefix: str) -> tuple[str, ...]:
        """Return the topics whose names begin with this."""
        return self._topics.named(prefix)

    def send(self, topic: str, message: Message) -> None:
        """Append a message to a topic that exists, in the partition with the least to do."""
        record = (self._least_busy(topic, message.run), encode(message))
        persistently(self._settings, f"sending to {topic}", lambda: self._send(*record))

    def take(self, topic: str, owner: str, timeout: float, wake: Sequence[int] = ()) -> Delivery | None:
        """Take the next message, waiting up to ``timeout`` seconds or until a descriptor in ``wake`` is readable.

        What was taken from this topic before, and not forwarded, is let go. A broker that is away is waited for.
        """
        member = self._member(topic, owner, timeout)
        if member is None:
            return None
        self._close_outboxes(topic, member.gone() | self._idle(topic))
        held = member.take(timeout, wake)
        return None if held is None else Delivery(topic, owner, decode(held.value, topic), held.receipt)

    def beat(self, delivery: Delivery) -> bool:
        """Keep the message; False when it is somebody else's. A broker that is away takes no message from anybody."""
        member = self._members.get(delivery.topic)
        self._close_outboxes(delivery.topic, self._idle(delivery.topic))
        return member is not None and member.keeps(delivery.receipt)

    def forward(self, delivery: Delivery, following: Sequence[tuple[str, Message]]) -> None:
        """Acknowledge the message and send the following ones, in one step; raise LeaseLost and send nothing else.

        Waits for a broker that is away until the deadline; MachineryFailed leaves open whether it was done.
        """
        partition, offset, _ = delivery.receipt
        source = TopicPartition(delivery.topic, partition)
        records = [(self._beside(partition, topic), encode(message)) for topic, message in following]
        deadline = time.monotonic() + self._settings.deadline
        tries = 0
        self._forwarding = source
        try:
            while not self._forwarded(delivery, source, offset + 1, records, deadline, again=tries > 0):
                tries += 1
        finally:
            self._forwarding = None
        self._members[delivery.topic].done()

    def follow(self, topic: str) -> KafkaReader:
        """Read a topic from its beginning on, beside whoever takes its messages; the caller closes the reader."""
        return KafkaReader(self._settings, topic, self._topics.partitions(topic))

    def unfinished(self, topics: Sequence[str]) -> tuple[Message, ...]:
        """Read the messages that were sent and not acknowledged yet, those that somebody works on included."""
        return tuple(message for topic in topics for _, message in self._unfinished(topic))

    def waiting(self, topics: Sequence[str], run: str = "") -> int:
        """Count the messages in these topics, those that somebody works on included: those of one run, or all."""
        return sum(not run or message.run == run for message in self.unfinished(topics))

    def close(self) -> None:
        """Disconnect; the next call connects again. What was taken is delivered to others."""
        while self._members:
            self._members.popitem()[1].close()
        while self._outboxes:
            self._outboxes.popitem()[1].close()
        self._drop_producer()
        self._topics.close()

    # --- sending ------------------------------------------------------------------------------------------------------

    def _send(self, place: TopicPartition, value: bytes) -> None:
        if self._producer is None:
            self._producer = _producer(self._settings)
        try:
            self._producer.send(place.topic, value, partition=place.partition).get(timeout=self._settings.deadline)
        except errors.KafkaError:
            self._drop_producer()
            raise

    def _drop_producer(self) -> None:
        if self._producer is not None:
            self._producer.close(timeout=0)
            self._producer = None

    def _least_busy(self, topic: str, run: str) -> TopicPartition:
        count = self._topics.partitions(topic)
        first = zlib.crc32(run.encode())
        if count == 1:
            return TopicPartition(topic, 0)
        work = Counter(partition for partition, _ in self._unfinished(topic))
        return TopicPartition(topic, min(range(count), key=lambda number: (work[number], (number - first) % count)))

    def _beside(self, partition: int, topic: str) -> TopicPartition:
        return TopicPartition(topic, partition % self._topics.partitions(topic))

    def _unfinished(self, topic: str) -> list[tuple[int, Message]]:
        reader = KafkaReader(self._settings, topic, self._topics.partitions(topic), unfinished=True)
        try:
            return reader.rest()
        finally:
            reader.close()

    # --- taking -------------------------------------------------------------------------------------------------------

    def _member(self, topic: str, owner: str, timeout: float) -> Member | None:
        if topic not in self._members:
            try:
                prepare = self._prepare_for(topic)
                self._members[topic] = Member(self._settings, topic, owner, self._lease, prepare)
            except errors.KafkaError as error:
                if is_final(error):
                    raise explained(self._settings, f"reading {topic}", error) from error
                time.sleep(min(timeout, _RECONNECT_SECONDS))
                return None
        return self._members[topic]

    def _prepare_for(self, topic: str) -> Any:
        def prepare(partition: int) -> bool:
            """End what the partition's owner before left open: until then, nobody can read what follows."""
            source = TopicPartition(topic, partition)
            if source == self._forwarding:
                return False  # it was away and came back meanwhile: what is under way has to end first
            self._close_outbox(source)
            try:
                self._outbox(source, _RECONNECT_SECONDS, lambda: None)
            except errors.KafkaError as error:
                if is_final(error):
                    raise explained(self._settings, f"sending from {topic}", error) from error
                return False
            return True

        return prepare

    def _idle(self, topic: str) -> set[int]:
        """Return the partitions whose outboxes sent nothing lately.

        A producer that once sent to a topic asks for it for ever. Where that topic has been removed, as with a stage
        that was edited, kafka-python 3.0 asks without a pause, which costs a processor.
        """
        return {
            source.partition
            for source, outbox in list(self._outboxes.items())
            if source.topic == topic and outbox.idle_seconds > _IDLE_SECONDS
        }

    def _close_outboxes(self, topic: str, partitions: set[int]) -> None:
        for partition in partitions:
            self._close_outbox(TopicPartition(topic, partition))

    # --- forwarding ---------------------------------------------------------------------------------------------------

    def _forwarded(
        self,
        delivery: Delivery,
        source: TopicPartition,
        offset: int,
        records: Sequence[Record],
        deadline: float,
        *,
        again: bool,
    ) -> bool:
        """Try once; False where another try makes sense."""
        member = self._members.get(delivery.topic)
        left = min(deadline - time.monotonic(), _TRY_SECONDS)
        proof = None if member is None else self._proof(member, delivery, left)
        if member is None or proof is None:
            raise LeaseLost(f"{delivery.owner} lost its message in {delivery.topic}")
        try:
            outbox = self._outbox(source, left, lambda: member.keeps(delivery.receipt))
            if again and (member.acknowledged(source) or 0) >= offset:
                return True  # the try before succeeded, and only its answer was lost
            outbox.forward(records, offset, proof, left)
        except errors.KafkaError as error:
            self._close_outbox(source)
            self._judge(delivery, error, deadline)
            return False
        return True

    def _proof(self, member: Member, delivery: Delivery, seconds: float) -> Any:
        """Wait until the group is not just being put together anew, and return the proof of membership."""
        deadline = time.monotonic() + seconds
        while member.keeps(delivery.receipt) and not member.is_settled() and time.monotonic() < deadline:
            time.sleep(FIRST_BACKOFF_SECONDS)
        return member.proof(delivery.receipt)

    def _judge(self, delivery: Delivery, error: errors.KafkaError, deadline: float) -> None:
        if isinstance(error, SHUT_OUT):
            raise LeaseLost(f"{delivery.owner} lost its message in {delivery.topic}: {error}") from error
        if is_final(error) or time.monotonic() + FIRST_BACKOFF_SECONDS > deadline:
            raise explained(self._settings, f"forwarding from {delivery.topic}", error) from error
        time.sleep(FIRST_BACKOFF_SECONDS)

    def _outbox(self, source: TopicPartition, seconds: float, meanwhile: Any) -> Outbox:
        if source not in self._outboxes:
            self._outboxes[source] = Outbox(self._settings, source, seconds, meanwhile)
        return self._outboxes[source]

    def _close_outbox(self, source: TopicPartition) -> None:
        outbox = self._outboxes.pop(source, None)
        if outbox is not None:
            outbox.close()


def _producer(settings: KafkaSettings) -> Any:
    return connected(
        KafkaProducer,
        settings,
        client_id="j2k-sender",
        max_block_ms=int(settings.deadline * 1000),
        delivery_timeout_ms=int(settings.deadline * 1000) + 1,
        request_timeout_ms=int(min(30.0, settings.deadline) * 1000),
        bootstrap_timeout_ms=int(settings.deadline * 1000),
        allow_auto_create_topics=False,
        metrics_enabled=False,
    )
