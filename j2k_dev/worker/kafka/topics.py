"""Topics of a Kafka broker: made with a pipeline, removed with it, and asked how many partitions they have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kafka import KafkaAdminClient, errors

from j2k_dev.worker.kafka.client import connected, persistently

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from j2k_dev.worker.kafka.settings import KafkaSettings

# As long as a broker keeps the offsets of a group without members: what was acknowledged is not delivered again.
RETENTION_MS = 7 * 24 * 3600 * 1000
_REPLICAS_FOR_TWO_IN_SYNC = 3
_GONE = (errors.UnknownTopicOrPartitionError, errors.GroupIdNotFoundError)


class KafkaTopics:
    """What is done to topics as a whole; connects when it is first needed."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._admin: Any = None
        self._partitions: dict[str, int] = {}

    def create(self, topics: Iterable[str], partitions: int) -> None:
        """Make topics and wait until they can be used; those that exist stay as they are."""
        wanted = {topic: self._recipe(partitions) for topic in topics}
        if wanted:
            self._persistently("making topics", lambda admin: self._create(admin, wanted))

    def delete(self, topics: Sequence[str]) -> None:
        """Remove topics with all that is in them, and what their consumers had read; unknown ones are no error."""
        if topics:
            self._persistently("removing topics", lambda admin: self._delete(admin, topics))
        for topic in topics:
            self._partitions.pop(topic, None)

    def partitions(self, topic: str) -> int:
        """Count a topic's partitions; raise ValueError if there is no such topic."""
        if topic not in self._partitions:
            described = self._persistently("looking at topics", lambda admin: _described(admin, [topic]))
            if topic not in described:
                raise ValueError(f"there is no topic {topic}")
            self._partitions[topic] = described[topic]
        return self._partitions[topic]

    def existing(self, topics: Sequence[str]) -> set[str]:
        """Say which of these topics there are."""
        return set(self._persistently("looking at topics", lambda admin: _described(admin, topics)))

    def named(self, prefix: str) -> tuple[str, ...]:
        """Return the topics whose names begin with this."""
        there = self._persistently("looking at topics", lambda admin: admin.list_topics())
        return tuple(sorted(topic for topic in there if topic.startswith(prefix)))

    def close(self) -> None:
        """Disconnect; the next call connects again."""
        if self._admin is not None:
            self._admin.close()
            self._admin = None

    def _persistently(self, doing: str, call: Callable[[Any], Any]) -> Any:
        return persistently(self._settings, doing, lambda: call(self._connected()))

    def _connected(self) -> Any:
        if self._admin is None:
            patience = int(self._settings.deadline * 1000)
            self._admin = connected(
                KafkaAdminClient, self._settings, client_id="j2k-admin", bootstrap_timeout_ms=patience
            )
        return self._admin

    def _recipe(self, partitions: int) -> dict[str, Any]:
        replication = self._settings.replication
        configs = {"cleanup.policy": "delete", "retention.ms": str(RETENTION_MS)}
        if replication >= _REPLICAS_FOR_TWO_IN_SYNC:
            configs["min.insync.replicas"] = "2"
        return {"num_partitions": partitions, "replication_factor": replication, "configs": configs}

    def _create(self, admin: Any, wanted: dict[str, Any]) -> None:
        answer = admin.create_topics(wanted, raise_errors=False)
        _raise_first(answer["topics"], but=(errors.TopicAlreadyExistsError,))
        admin.wait_for_topics(list(wanted))

    def _delete(self, admin: Any, topics: Sequence[str]) -> None:
        answer = admin.delete_topics(list(topics), raise_errors=False)
        _raise_first(answer["topics"], but=(errors.UnknownTopicOrPartitionError,))
        # A group that still has members goes by itself once they left it: its offsets went with the topic.
        admin.delete_groups(list(topics))
        if left := _described(admin, topics):
            raise errors.KafkaTimeoutError(f"still there: {', '.join(left)}")


def _described(admin: Any, topics: Sequence[str]) -> dict[str, int]:
    """Count the partitions of those topics that exist."""
    found = {}
    for topic in admin.describe_topics(list(topics)):
        error = errors.for_code(topic["error_code"])
        if error is errors.NoError:
            found[topic["name"]] = len(topic["partitions"])
        elif not issubclass(error, _GONE):
            raise error(topic["name"])
    return found


def _raise_first(answers: list[dict[str, Any]], but: tuple[type[errors.KafkaError], ...]) -> None:
    for answer in answers:
        error = errors.for_code(answer["error_code"])
        if error is not errors.NoError and not issubclass(error, but):
            raise error(f"{answer['name']}: {answer.get('error_message') or error.__name__}")
