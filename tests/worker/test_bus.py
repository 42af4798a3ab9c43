"""What every bus does, whatever it is made of: these tests take the implementations one after the other."""

from __future__ import annotations

import os
import secrets
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from j2k_dev.model.run import Message
from j2k_dev.worker.bus import Bus, Delivery, LeaseLost, Topics
from j2k_dev.worker.sqlite_bus import SqliteBus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MESSAGE = Message("run-1", "load", "abc", {"rows": 5, "name": "ü"})
PATIENCE = 20.0


@dataclass
class Site:
    """One bus and what a test needs to know of it, times in seconds.

    ``lease`` is long enough to work within it and short enough to wait for its end; ``soon`` is when a message that is
    there has been delivered, even to somebody who never asked before.
    """

    new: Callable[[], Bus]
    lease: float
    soon: float
    names: Topics = field(default_factory=lambda: Topics(f"pipeline-{secrets.token_hex(4)}"))
    opened: list[Bus] = field(default_factory=list)

    @property
    def first(self) -> str:
        return self.names.stage("load")

    @property
    def second(self) -> str:
        return self.names.stage("fit")

    def connect(self) -> Bus:
        self.opened.append(self.new())
        return self.opened[-1]

    def taken(self, bus: Bus, topic: str = "", owner: str = "a", timeout: float = PATIENCE) -> Delivery:
        delivery = bus.take(topic or self.first, owner, timeout)
        assert delivery is not None
        return delivery

    def has_nothing(self, bus: Bus, topic: str, owner: str = "a") -> bool:
        return bus.take(topic, owner, self.soon) is None


@pytest.fixture(params=["sqlite", pytest.param("kafka", marks=pytest.mark.cluster)])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    made = kafka_site(request) if request.param == "kafka" else sqlite_site(tmp_path)
    topics = [made.first, made.second, made.names.results, made.names.dead_letters]
    made.connect().create_topics(topics)
    yield made
    for bus in made.opened:
        bus.close()
    if request.param == "kafka":
        from j2k_dev.worker.kafka.bus import KafkaBus

        cleaner = KafkaBus(request.getfixturevalue("broker").settings())
        cleaner.delete_topics(topics)
        cleaner.close()


def sqlite_site(folder: Path) -> Site:
    return Site(lambda: SqliteBus(folder / "bus.sqlite", lease=0.4), lease=0.4, soon=0.0)


def kafka_site(request: pytest.FixtureRequest) -> Site:
    from j2k_dev.worker.kafka.bus import KafkaBus

    settings = request.getfixturevalue("broker").settings()
    return Site(lambda: KafkaBus(settings, lease=3.0), lease=3.0, soon=1.5)


def test_a_message_arrives_as_it_was_sent(site: Site) -> None:
    site.connect().send(site.first, MESSAGE)
    delivery = site.taken(site.connect())
    assert delivery.message == MESSAGE
    assert (delivery.topic, delivery.owner) == (site.first, "a")


def test_messages_arrive_in_order_and_only_in_their_topic(site: Site) -> None:
    bus = site.connect()
    for attempt in range(1, 4):
        bus.send(site.first, replace(MESSAGE, attempt=attempt))
    assert site.has_nothing(bus, site.second)
    for attempt in range(1, 4):
        delivery = site.taken(bus)
        assert delivery.message.attempt == attempt
        bus.forward(delivery, [])


def test_creating_topics_again_keeps_what_is_in_them(site: Site) -> None:
    bus = site.connect()
    bus.send(site.first, MESSAGE)
    bus.create_topics([site.first, site.second])
    assert site.taken(bus).message == MESSAGE


def test_sending_to_a_topic_that_nobody_created_is_an_error(site: Site) -> None:
    with pytest.raises(ValueError, match="there is no topic nowhere"):
        site.connect().send("nowhere", MESSAGE)


def test_taking_from_an_empty_topic_waits_no_longer_than_asked(site: Site) -> None:
    bus = site.connect()
    assert site.has_nothing(bus, site.first)
    started = time.monotonic()
    assert bus.take(site.first, "a", 0.2) is None
    assert 0.2 <= time.monotonic() - started < 2


def test_whoever_waits_is_woken_by_a_message(site: Site) -> None:
    arrived: list[float] = []
    listening = threading.Event()

    def wait() -> None:
        bus = site.connect()
        bus.take(site.first, "a", site.soon)
        listening.set()
        site.taken(bus)
        arrived.append(time.monotonic())
        bus.close()

    sender = site.connect()
    sender.send(site.second, MESSAGE)  # what takes long only once
    waiting = threading.Thread(target=wait)
    waiting.start()
    assert listening.wait(PATIENCE)
    sent = time.monotonic()
    sender.send(site.first, MESSAGE)
    waiting.join(PATIENCE)
    assert arrived[0] - sent < 0.5


def test_whoever_waits_is_woken_by_its_other_descriptors_too(site: Site) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"!")
    started = time.monotonic()
    assert site.connect().take(site.first, "a", 30, [reader]) is None
    assert time.monotonic() - started < 10
    os.close(reader)
    os.close(writer)


def test_a_message_in_the_topic_comes_before_other_descriptors(site: Site) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"!")
    bus = site.connect()
    bus.send(site.first, MESSAGE)
    before = site.taken(bus)
    bus.forward(before, [(site.first, MESSAGE)])
    assert before.message == MESSAGE
    assert bus.take(site.first, "a", 30, [reader]) is not None
    os.close(reader)
    os.close(writer)


def test_forwarding_acknowledges_and_sends_what_follows(site: Site) -> None:
    bus = site.connect()
    bus.send(site.first, MESSAGE)
    bus.forward(site.taken(bus), [(site.second, replace(MESSAGE, stage="fit")), (site.names.results, MESSAGE)])
    assert bus.take(site.first, "a", site.lease * 2) is None
    assert site.taken(bus, site.second).message.stage == "fit"
    assert site.taken(bus, site.names.results).message == MESSAGE


def test_what_was_forwarded_is_not_delivered_to_anybody_who_comes_later(site: Site) -> None:
    bus = site.connect()
    bus.send(site.first, MESSAGE)
    bus.forward(site.taken(bus), [])
    bus.close()
    assert site.has_nothing(site.connect(), site.first, "b")


def test_a_failed_attempt_is_requeued_in_the_same_topic(site: Site) -> None:
    bus = site.connect()
    bus.send(site.first, MESSAGE)
    bus.forward(site.taken(bus), [(site.first, replace(MESSAGE, attempt=2))])
    again = site.taken(bus)
    assert again.message.attempt == 2
    bus.forward(again, [])
    assert site.has_nothing(bus, site.first)


def test_forwarding_to_an_unknown_topic_changes_nothing(site: Site) -> None:
    bus = site.connect()
    bus.send(site.first, MESSAGE)
    delivery = site.taken(bus)
    with pytest.raises(ValueError, match="nowhere"):
        bus.forward(delivery, [(site.second, MESSAGE), ("nowhere", MESSAGE)])
    assert bus.beat(delivery)
    assert site.has_nothing(bus, site.second)


def test_a_silent_owner_loses_its_message(site: Site) -> None:
    bus, other = site.connect(), site.connect()
    bus.send(site.first, MESSAGE)
    lost = site.taken(bus)
    again = site.taken(other, owner="b")
    assert again.message == lost.message
    assert not bus.beat(lost)
    with pytest.raises(LeaseLost):
        bus.forward(lost, [(site.second, MESSAGE)])
    assert site.has_nothing(site.connect(), site.second, "c"), "whoever lost the message sends nothing"


def test_whoever_got_the_message_of_a_silent_owner_forwards_it(site: Site) -> None:
    bus, other = site.connect(), site.connect()
    bus.send(site.first, MESSAGE)
    lost = site.taken(bus)
    other.forward(site.taken(other, owner="b"), [(site.second, MESSAGE)])
    with pytest.raises(LeaseLost):
        bus.forward(lost, [(site.second, MESSAGE)])
    reader = site.connect()
    reader.forward(site.taken(reader, site.second), [])
    assert site.has_nothing(reader, site.second), "it was forwarded once"


def test_a_message_delivered_again_to_the_same_owner_is_another_lease(site: Site) -> None:
    bus = site.connect()
    bus.send(site.first, MESSAGE)
    before, after = site.taken(bus), site.taken(bus)
    with pytest.raises(LeaseLost):
        bus.forward(before, [])
    bus.forward(after, [])


def test_an_owner_that_beats_keeps_its_message_alone(site: Site) -> None:
    bus, other = site.connect(), site.connect()
    bus.send(site.first, MESSAGE)
    delivery = site.taken(bus)
    until = time.monotonic() + site.lease * 3
    while time.monotonic() < until:
        assert bus.beat(delivery)
        assert other.take(site.first, "b", site.lease / 8) is None
    bus.forward(delivery, [(site.second, MESSAGE)])
    assert site.taken(bus, site.second).message == MESSAGE
