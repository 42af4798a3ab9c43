"""The broker by itself, without a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError

from j2k_dev.sandbox.kafka import commit_transaction

if TYPE_CHECKING:
    from j2k_dev.sandbox.kafka import KafkaSandbox

pytestmark = pytest.mark.cluster


def test_it_commits_transactions(kafka: KafkaSandbox) -> None:
    assert commit_transaction(kafka.bootstrap) == ""


def test_a_group_may_give_a_silent_member_up_after_a_second(kafka: KafkaSandbox) -> None:
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    admin.create_topics([NewTopic("quick", 1, 1)])
    admin.close()
    consumer = KafkaConsumer(
        "quick",
        bootstrap_servers=kafka.bootstrap,
        group_id="quick",
        session_timeout_ms=1000,
        heartbeat_interval_ms=300,
    )
    consumer.poll(timeout_ms=10_000)
    assert consumer.assignment()
    consumer.close()


def test_topics_are_only_made_on_purpose(kafka: KafkaSandbox) -> None:
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap, max_block_ms=2000)
    with pytest.raises(KafkaError):
        producer.send("nobody-made-this", b"?").get(5)
    producer.close()
