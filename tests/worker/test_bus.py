"""What every bus does, whatever it is made of: these tests take the implementations one after the other."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from j2k_dev.model.run import Message
from j2k_dev.worker.bus import Bus, Delivery, LeaseLost, Topics
from j2k_dev.worker.sqlite_bus import SqliteBus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NAMES = Topics("run-1")
FIRST, SECOND = NAMES.stage("load"), NAMES.stage("fit")
MESSAGE = Message("run-1", "load", "abc", {"rows": 5, "name": "ü"})

# Long enough for tests that hold a lease, short enough to wait for its end.
LEASE = 0.4


@pytest.fixture(params=["sqlite"])
def connect(tmp_path: Path) -> Iterator[Callable[[], Bus]]:
    """Make connections to one and the same bus."""
    opened: list[SqliteBus] = []

    def make() -> Bus:
        opened.append(SqliteBus(tmp_path / "bus.sqlite", lease=LEASE))
        return opened[-1]

    make().create_topics([FIRST, SECOND, NAMES.results, NAMES.dead_letters])
    yield make
    for bus in opened:
        bus.close()


def taken(bus: Bus, topic: str = FIRST, owner: str = "a", timeout: float = 5) -> Delivery:
    delivery = bus.take(topic, owner, timeout)
    assert delivery is not None
    return delivery


def test_a_message_arrives_as_it_was_sent(connect: Callable[[], Bus]) -> None:
    connect().send(FIRST, MESSAGE)
    delivery = taken(connect())
    assert delivery.message == MESSAGE
    assert (delivery.topic, delivery.owner) == (FIRST, "a")


def test_messages_arrive_in_order_and_only_in_their_topic(connect: Callable[[], Bus]) -> None:
    bus = connect()
    for attempt in range(1, 4):
        bus.send(FIRST, replace(MESSAGE, attempt=attempt))
    assert bus.take(SECOND, "b", 0) is None
    assert [taken(bus).message.attempt for _ in range(3)] == [1, 2, 3]


def test_creating_topics_again_keeps_what_is_in_them(connect: Callable[[], Bus]) -> None:
    bus = connect()
    bus.send(FIRST, MESSAGE)
    bus.create_topics([FIRST, SECOND])
    assert taken(bus).message == MESSAGE


def test_sending_to_a_topic_that_nobody_created_is_an_error(connect: Callable[[], Bus]) -> None:
    with pytest.raises(ValueError, match="there is no topic nowhere"):
        connect().send("nowhere", MESSAGE)


def test_a_message_has_one_owner_at_a_time(connect: Callable[[], Bus]) -> None:
    bus, other = connect(), connect()
    bus.send(FIRST, MESSAGE)
    taken(bus)
    assert other.take(FIRST, "b", 0) is None


def test_taking_from_an_empty_topic_waits_no_longer_than_asked(connect: Callable[[], Bus]) -> None:
    started = time.monotonic()
    assert connect().take(FIRST, "a", 0.2) is None
    assert 0.2 <= time.monotonic() - started < 2


def test_whoever_waits_is_woken_by_a_message(connect: Callable[[], Bus]) -> None:
    arrived: list[float] = []
    listening = threading.Event()

    def wait() -> None:
        bus = connect()
        bus.take(FIRST, "a", 0)
        listening.set()
        taken(bus)
        arrived.append(time.monotonic())
        bus.close()

    waiting = threading.Thread(target=wait)
    waiting.start()
    listening.wait(10)
    sender = connect()
    sent = time.monotonic()
    sender.send(FIRST, MESSAGE)
    waiting.join(10)
    assert arrived[0] - sent < 0.5


def test_whoever_waits_is_woken_by_its_other_descriptors_too(connect: Callable[[], Bus]) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"!")
    started = time.monotonic()
    assert connect().take(FIRST, "a", 30, [reader]) is None
    assert time.monotonic() - started < 5
    os.close(reader)
    os.close(writer)


def test_a_message_in_the_topic_comes_before_other_descriptors(connect: Callable[[], Bus]) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"!")
    bus = connect()
    bus.send(FIRST, MESSAGE)
    assert bus.take(FIRST, "a", 30, [reader]) is not None
    os.close(reader)
    os.close(writer)


def test_forwarding_acknowledges_and_sends_what_follows(connect: Callable[[], Bus]) -> None:
    bus = connect()
    bus.send(FIRST, MESSAGE)
    bus.forward(taken(bus), [(SECOND, replace(MESSAGE, stage="fit")), (NAMES.results, MESSAGE)])
    assert bus.take(FIRST, "a", LEASE * 2) is None
    assert taken(bus, SECOND).message.stage == "fit"
    assert taken(bus, NAMES.results).message == MESSAGE


def test_a_failed_attempt_is_requeued_in_the_same_topic(connect: Callable[[], Bus]) -> None:
    bus = connect()
    bus.send(FIRST, MESSAGE)
    bus.forward(taken(bus), [(FIRST, replace(MESSAGE, attempt=2))])
    assert taken(bus).message.attempt == 2
    assert bus.take(FIRST, "a", 0) is None


def test_forwarding_to_an_unknown_topic_changes_nothing(connect: Callable[[], Bus]) -> None:
    bus = connect()
    bus.send(FIRST, MESSAGE)
    delivery = taken(bus)
    with pytest.raises(ValueError, match="nowhere"):
        bus.forward(delivery, [(SECOND, MESSAGE), ("nowhere", MESSAGE)])
    assert bus.take(SECOND, "a", 0) is None
    assert bus.beat(delivery)


def test_a_silent_owner_loses_its_message(connect: Callable[[], Bus]) -> None:
    bus, other = connect(), connect()
    bus.send(FIRST, MESSAGE)
    lost = taken(bus)
    again = taken(other, owner="b")
    assert again.message == lost.message
    assert not bus.beat(lost)
    with pytest.raises(LeaseLost):
        bus.forward(lost, [(SECOND, MESSAGE)])
    assert other.take(SECOND, "c", 0) is None, "whoever lost the message sends nothing"
    other.forward(again, [])


def test_a_message_delivered_again_to_the_same_owner_is_another_lease(connect: Callable[[], Bus]) -> None:
    bus = connect()
    bus.send(FIRST, MESSAGE)
    before, after = taken(bus), taken(bus)
    with pytest.raises(LeaseLost):
        bus.forward(before, [])
    bus.forward(after, [])


def test_an_owner_that_beats_keeps_its_message(connect: Callable[[], Bus]) -> None:
    bus, other = connect(), connect()
    bus.send(FIRST, MESSAGE)
    delivery = taken(bus)
    until = time.monotonic() + LEASE * 3
    while time.monotonic() < until:
        assert bus.beat(delivery)
        assert other.take(FIRST, "b", LEASE / 4) is None
    bus.forward(delivery, [])


def test_leases_stay_when_the_connection_is_closed(connect: Callable[[], Bus]) -> None:
    bus = connect()
    bus.send(FIRST, MESSAGE)
    delivery = taken(bus)
    bus.close()
    bus.forward(delivery, [(SECOND, MESSAGE)])
    assert taken(bus, SECOND).message == MESSAGE
