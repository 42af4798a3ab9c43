"""The cluster's bus on a real broker: killed owners, restarted brokers, pods that come and go, runs side by side."""

from __future__ import annotations

import gc
import json
import multiprocessing
import secrets
import signal
import subprocess
import sys
import threading
import time
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.model.run import Message
from j2k_dev.worker.bus import Delivery, LeaseLost, Topics
from j2k_dev.worker.kafka.settings import KafkaSettings, environment_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from j2k_dev.worker.kafka.bus import KafkaBus

# kafka-python leaves the sockets of refused connections to the garbage collector.
pytestmark = [pytest.mark.cluster, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

SPAWN = multiprocessing.get_context("spawn")
PATIENCE = 30.0
LEASE = 5.0
NOWHERE = KafkaSettings(("localhost:1",), deadline=1.5)


def bus_at(settings: KafkaSettings, lease: float = LEASE) -> KafkaBus:
    from j2k_dev.worker.kafka.bus import KafkaBus

    return KafkaBus(settings, lease)


class Pipeline:
    """The topics of a pipeline of two stages, and connections to them."""

    def __init__(self, broker: Any, partitions: int, session: float) -> None:
        self.broker = broker
        self.settings = broker.settings(session)
        self.names = Topics(f"pipeline-{secrets.token_hex(4)}")
        self.first, self.second = self.names.stage("load"), self.names.stage("fit")
        self.opened: list[KafkaBus] = []
        self.bus = self.connect()
        self.bus.create_topics(self.names.all(["load", "fit"]), partitions)

    def connect(self, lease: float = LEASE) -> KafkaBus:
        self.opened.append(bus_at(self.settings, lease))
        return self.opened[-1]

    def take(self, bus: KafkaBus, topic: str = "", owner: str = "a", timeout: float = PATIENCE) -> Delivery:
        delivery = bus.take(topic or self.first, owner, timeout)
        assert delivery is not None
        return delivery

    def passed_on(self) -> list[Message]:
        """Read all that is in the second stage's topic, as somebody who takes nothing."""
        reader = self.bus.follow(self.second)
        found = [message for _, message in reader.rest()]
        reader.close()
        return found


@pytest.fixture
def make(broker: Any) -> Iterator[Callable[..., Pipeline]]:
    made: list[Pipeline] = []

    def make(partitions: int = 1, session: float = 1.5) -> Pipeline:
        made.append(Pipeline(broker, partitions, session))
        return made[-1]

    yield make
    for pipeline in made:
        for bus in pipeline.opened[1:]:
            bus.close()
        pipeline.bus.delete_topics(pipeline.names.all(["load", "fit"]))
        pipeline.bus.close()


@pytest.fixture(autouse=True)
def collect() -> Iterator[None]:
    """Collect those sockets now: between tests, no warning is ignored."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@contextmanager
def beating(bus: KafkaBus, delivery: Delivery) -> Iterator[list[bool]]:
    """Beat as a worker does while its stage runs."""
    heard: list[bool] = []
    enough = threading.Event()

    def beat() -> None:
        while not enough.wait(0.5):
            heard.append(bus.beat(delivery))

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield heard
    finally:
        enough.set()
        thread.join(PATIENCE)


def echo(settings: KafkaSettings, names: Topics, seconds: float) -> None:
    """Forward what comes, until nothing came for a while."""
    bus = bus_at(settings)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        delivery = bus.take(names.stage("load"), "echo", 1.0)
        if delivery is not None:
            bus.forward(delivery, [(names.stage("fit"), delivery.message)])
            until = time.monotonic() + seconds
    bus.close()


def test_however_many_share_a_topic_each_message_is_forwarded_once(make: Callable[..., Pipeline]) -> None:
    pipeline = make(partitions=3)
    workers = [SPAWN.Process(target=echo, args=(pipeline.settings, pipeline.names, 6.0)) for _ in range(3)]
    for worker in workers[:2]:
        worker.start()
    for number in range(40):
        if number == 20:
            workers[2].start()
        pipeline.bus.send(pipeline.first, Message(f"run-{number}", "load", attempt=number))
    for worker in workers:
        worker.join(90)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert sorted(message.attempt for message in pipeline.passed_on()) == list(range(40))
    assert pipeline.bus.waiting([pipeline.first]) == 0


OWNER = """
import json, os, signal, sys
from j2k_dev.worker.kafka.bus import KafkaBus
from j2k_dev.worker.kafka.outbox import Outbox
from j2k_dev.worker.kafka.settings import settings_from_environment

topic, following, moment = sys.argv[1:]
bus = KafkaBus(settings_from_environment(os.environ), 30.0)
delivery = bus.take(topic, "killed", 30)
print("taken", flush=True)

class DiesInTheMiddle:
    def __init__(self, producer):
        self._producer = producer

    def __getattr__(self, name):
        return getattr(self._producer, name)

    def commit_transaction(self):
        self._producer.flush()
        os.kill(os.getpid(), signal.SIGKILL)

if moment == "in the middle":
    (outbox,) = bus._outboxes.values()
    outbox._producer = DiesInTheMiddle(outbox._producer)
    bus.forward(delivery, [(following, delivery.message)])
sys.stdin.read()
"""


@contextmanager
def owner_process(pipeline: Pipeline, moment: str) -> Iterator[subprocess.Popen[str]]:
    """Have another process take a message."""
    command = [sys.executable, "-W", "ignore", "-c", OWNER, pipeline.first, pipeline.second, moment]
    environment = environment_of(pipeline.settings) | {"PYTHONPATH": ":".join(sys.path)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "taken\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_killed_owners_message_is_delivered_to_another_within_seconds(make: Callable[..., Pipeline]) -> None:
    pipeline = make()
    pipeline.bus.send(pipeline.first, Message("run-1", "load"))
    with owner_process(pipeline, "before") as owner:
        other = pipeline.connect()
        assert other.take(pipeline.first, "b", 1.0) is None
        owner.send_signal(signal.SIGKILL)
        killed = time.monotonic()
        delivery = pipeline.take(other, owner="b")
        assert time.monotonic() - killed < pipeline.settings.session + 4
    other.forward(delivery, [(pipeline.second, delivery.message)])
    assert len(pipeline.passed_on()) == 1


def test_what_an_owner_killed_in_the_middle_of_a_step_sent_is_never_seen(make: Callable[..., Pipeline]) -> None:
    pipeline = make()
    pipeline.bus.send(pipeline.first, Message("run-1", "load", attempt=7))
    with owner_process(pipeline, "in the middle") as owner:
        assert owner.wait(PATIENCE) == -signal.SIGKILL
    killed = time.monotonic()
    other = pipeline.connect()
    delivery = pipeline.take(other, owner="b")
    assert delivery.message == Message("run-1", "load", attempt=7)
    other.forward(delivery, [(pipeline.second, delivery.message)])
    following = pipeline.take(other, pipeline.second)
    assert time.monotonic() - killed < pipeline.settings.session + 10, "nobody waits for what it left open"
    assert following.message == delivery.message
    assert len(pipeline.passed_on()) == 1


def test_the_broker_itself_refuses_an_owner_that_does_not_know_yet(make: Callable[..., Pipeline]) -> None:
    from kafka.structs import TopicPartition

    from j2k_dev.worker.kafka.outbox import SHUT_OUT

    pipeline = make()
    bus, other = pipeline.connect(), pipeline.connect()
    pipeline.bus.send(pipeline.first, Message("run-1", "load"))
    lost = pipeline.take(bus)
    outbox = bus._outboxes[TopicPartition(pipeline.first, 0)]
    proof = bus._members[pipeline.first].proof(lost.receipt)
    assert proof is not None
    again = pipeline.take(other, owner="b")
    with pytest.raises(SHUT_OUT):
        outbox.forward([(TopicPartition(pipeline.second, 0), b"{}")], 1, proof, 20)
    other.forward(again, [(pipeline.second, again.message)])
    assert pipeline.passed_on() == [again.message]


def test_a_broker_restarted_between_taking_and_forwarding_loses_nothing(make: Callable[..., Pipeline]) -> None:
    pipeline = make()
    bus = pipeline.connect(lease=120.0)
    pipeline.bus.send(pipeline.first, Message("run-1", "load"))
    pipeline.bus.send(pipeline.first, Message("run-2", "load"))
    delivery = pipeline.take(bus)
    pipeline.broker.restart()
    try:
        bus.forward(delivery, [(pipeline.second, delivery.message)])
    except LeaseLost:  # the session ran out meanwhile: then the message comes again, and nothing was sent
        delivery = pipeline.take(bus, timeout=60)
        bus.forward(delivery, [(pipeline.second, delivery.message)])
    assert delivery.message.run == "run-1"
    again = pipeline.take(bus, timeout=60)
    bus.forward(again, [(pipeline.second, again.message)])
    assert [message.run for message in pipeline.passed_on()] == ["run-1", "run-2"]


def test_a_broker_away_while_a_stage_runs_takes_no_message_from_its_owner(make: Callable[..., Pipeline]) -> None:
    pipeline = make(session=20.0)  # longer than a broker takes to come back
    bus = pipeline.connect(lease=120.0)
    pipeline.bus.send(pipeline.first, Message("run-1", "load"))
    delivery = pipeline.take(bus)
    slowest = 0.0
    pipeline.broker.restart()
    until = time.monotonic() + 6
    while time.monotonic() < until:
        started = time.monotonic()
        assert bus.beat(delivery)
        slowest = max(slowest, time.monotonic() - started)
        time.sleep(0.2)
    assert slowest < 3.0, "a worker's loop never waits for the broker"
    bus.forward(delivery, [(pipeline.second, delivery.message)])
    assert len(pipeline.passed_on()) == 1


def test_workers_that_come_and_go_take_no_message_from_one_that_works(make: Callable[..., Pipeline]) -> None:
    pipeline = make(partitions=3)
    bus = pipeline.connect()
    pipeline.bus.send(pipeline.first, Message("run-1", "load"))
    delivery = pipeline.take(bus)
    with beating(bus, delivery) as heard:
        for owner in ("b", "c"):
            other = pipeline.connect()
            assert other.take(pipeline.first, owner, 4.0) is None
            other.close()
    assert all(heard)
    bus.forward(delivery, [(pipeline.second, delivery.message)])
    assert len(pipeline.passed_on()) == 1


def test_two_workers_of_a_stage_work_at_the_same_time(make: Callable[..., Pipeline]) -> None:
    pipeline = make(partitions=2)
    bus, other = pipeline.connect(), pipeline.connect()
    pipeline.bus.send(pipeline.first, Message("run-1", "load"))
    first = pipeline.take(bus)
    with beating(bus, first) as heard:
        assert other.take(pipeline.first, "b", 3.0) is None
        pipeline.bus.send(pipeline.first, Message("run-2", "load"))
        second = pipeline.take(other, owner="b")
        assert second.message.run == "run-2", "the other partition is free"
        other.forward(second, [(pipeline.second, second.message)])
    assert all(heard)
    bus.forward(first, [(pipeline.second, first.message)])
    assert [message.run for message in pipeline.passed_on()] == ["run-2", "run-1"]


def test_joining_is_seen_through_however_short_a_poll_is(
    make: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("j2k_dev.worker.kafka.member._LOOK_SECONDS", 0.004)
    for _ in range(5):  # without help, the client gets stuck in every third
        pipeline = make()
        pipeline.bus.send(pipeline.first, Message("run-1", "load"))
        assert pipeline.take(pipeline.connect()).message.run == "run-1"


def test_several_runs_in_one_pipelines_topics_do_not_mix(make: Callable[..., Pipeline]) -> None:
    pipeline = make(partitions=3)
    for number in range(3):
        pipeline.bus.send(pipeline.first, Message(f"run-{number}", "load", None, {"n": number}))
    waiting = pipeline.bus.unfinished([pipeline.first])
    assert {message.run for message in waiting} == {"run-0", "run-1", "run-2"}
    worker = pipeline.connect()
    for _ in range(3):
        delivery = pipeline.take(worker)
        message = delivery.message
        ended = Message(message.run, "load", "snapshot-of-" + message.run, message.parameters)
        worker.forward(delivery, [(pipeline.names.results, ended)])
    for number in (2, 0):
        reader = pipeline.bus.follow(pipeline.names.results)
        found = {message.run: message for _, message in reader.rest()}
        mine = found[f"run-{number}"]
        assert (mine.snapshot, mine.parameters) == (f"snapshot-of-run-{number}", {"n": number})
        reader.close()
    assert pipeline.bus.waiting([pipeline.first]) == 0


def test_runs_side_by_side_go_to_partitions_of_their_own(make: Callable[..., Pipeline]) -> None:
    pipeline = make(partitions=3)
    for number in range(6):
        pipeline.bus.send(pipeline.first, Message(f"run-{number}", "load"))
    per_partition = [partition for partition, _ in pipeline.bus._unfinished(pipeline.first)]
    assert sorted(per_partition) == [0, 0, 1, 1, 2, 2]


def test_a_follower_waits_for_what_comes(make: Callable[..., Pipeline]) -> None:
    pipeline = make()
    reader = pipeline.bus.follow(pipeline.names.results)
    assert reader.next(0.3) is None
    pipeline.bus.send(pipeline.names.results, Message("run-1", "fit"))
    found = reader.next(PATIENCE)
    assert found is not None
    assert found.run == "run-1"
    assert reader.next(0.3) is None
    reader.close()


def test_removed_topics_are_gone_with_their_groups(make: Callable[..., Pipeline]) -> None:
    pipeline = make()
    topics = pipeline.names.all(["load", "fit"])
    bus = pipeline.connect()
    pipeline.bus.send(pipeline.first, Message("run-1", "load"))
    bus.forward(pipeline.take(bus), [])
    bus.close()
    pipeline.bus.delete_topics(topics)
    assert pipeline.bus._topics.existing(topics) == set()
    assert pipeline.first not in {group["group_id"] for group in pipeline.bus._topics._connected().list_groups()}
    with pytest.raises(ValueError, match="there is no topic"):
        pipeline.bus.send(pipeline.first, Message("run-1", "load"))
    pipeline.bus.delete_topics(topics)


def test_topics_made_again_begin_empty(make: Callable[..., Pipeline]) -> None:
    pipeline = make()
    bus = pipeline.connect()
    for run in ("run-1", "run-2"):
        pipeline.bus.send(pipeline.first, Message(run, "load"))
    bus.forward(pipeline.take(bus), [])
    bus.close()
    pipeline.bus.delete_topics([pipeline.first])
    pipeline.bus.create_topics([pipeline.first])
    assert pipeline.bus.waiting([pipeline.first]) == 0
    pipeline.bus.send(pipeline.first, Message("run-3", "load"))
    assert pipeline.take(bus).message.run == "run-3"


def test_a_message_that_is_not_ours_is_named(make: Callable[..., Pipeline]) -> None:
    from kafka.structs import TopicPartition

    pipeline = make()
    pipeline.bus._send(TopicPartition(pipeline.first, 0), b"hello")
    with pytest.raises(MachineryFailed, match=rf"{pipeline.first} has a message that j2k did not write"):
        pipeline.connect().take(pipeline.first, "a", PATIENCE)


def test_parameters_too_large_for_the_broker_are_refused_by_name(make: Callable[..., Pipeline]) -> None:
    pipeline = make()
    with pytest.raises(MachineryFailed, match="MessageSizeTooLarge") as caught:
        pipeline.bus.send(pipeline.first, Message("run-1", "load", None, {"text": "x" * 2_000_000}))
    assert "smaller parameters" in caught.value.way_out


def test_waiting_costs_little_processor_time(make: Callable[..., Pipeline]) -> None:
    pipeline = make()
    bus = pipeline.connect()
    bus.take(pipeline.first, "a", 2.0)
    started = time.process_time()
    bus.take(pipeline.first, "a", 3.0)
    assert time.process_time() - started < 0.3


def test_a_next_stage_whose_topic_is_removed_costs_no_processor_time(
    make: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the next stage is edited: this one's pods stay, and sent to a topic that nobody has any more."""
    monkeypatch.setattr("j2k_dev.worker.kafka.bus._IDLE_SECONDS", 1.0)
    pipeline = make()
    pipeline.bus.send(pipeline.first, Message("r", "load"))
    pipeline.bus.forward(pipeline.take(pipeline.bus), [(pipeline.second, Message("r", "fit"))])
    assert senders(pipeline.first)
    pipeline.bus.delete_topics([pipeline.second])
    deadline = time.monotonic() + PATIENCE
    while senders(pipeline.first):
        assert time.monotonic() < deadline
        assert pipeline.bus.take(pipeline.first, "a", 0.2) is None
    pipeline.bus.create_topics([pipeline.second])
    pipeline.bus.send(pipeline.first, Message("again", "load"))
    pipeline.bus.forward(pipeline.take(pipeline.bus), [(pipeline.second, Message("again", "fit"))])
    assert [message.run for message in pipeline.passed_on()] == ["again"]


def senders(topic: str) -> list[str]:
    """Name the threads that send what follows from a topic's messages."""
    return [thread.name for thread in threading.enumerate() if topic in thread.name and "network" in thread.name]


def test_a_worker_waits_for_a_broker_that_is_away() -> None:
    bus = bus_at(NOWHERE)
    started = time.monotonic()
    assert bus.take("pipeline.stage.load", "a", 0.5) is None
    assert time.monotonic() - started < 10
    bus.close()


def test_a_broker_that_is_not_reached_is_named_at_the_deadline() -> None:
    bus = bus_at(NOWHERE)
    with pytest.raises(MachineryFailed, match="Kafka at localhost:1 is not reached for making topics") as caught:
        bus.create_topics(["x"])
    assert "KAFKA_BROKER" in caught.value.way_out
    bus.close()


def test_a_session_too_short_for_the_broker_is_refused_by_name(make: Callable[..., Pipeline]) -> None:
    pipeline = make()
    bus = bus_at(pipeline.broker.settings(session=0.3))
    with pytest.raises(MachineryFailed, match="InvalidSessionTimeout") as caught:
        bus.take(pipeline.first, "a", PATIENCE)
    assert "KAFKA_SESSION_SECONDS" in caught.value.way_out
    bus.close()


def test_more_replicas_than_brokers_are_refused_by_name(broker: Any) -> None:
    given = environment_of(broker.settings()) | {"KAFKA_REPLICATION_FACTOR": "99"}
    from j2k_dev.worker.kafka.settings import settings_from_environment

    bus = bus_at(settings_from_environment(given))
    with pytest.raises(MachineryFailed, match="InvalidReplicationFactor") as caught:
        bus.create_topics([f"pipeline-{secrets.token_hex(4)}"])
    assert "KAFKA_REPLICATION_FACTOR" in caught.value.way_out
    bus.close()


def test_the_bus_survives_being_asked_by_another_process(make: Callable[..., Pipeline]) -> None:
    """The worker asks a process that has the bus, since clients of Kafka have threads and workers fork."""
    from j2k_dev.worker.channel import Channel
    from j2k_dev.worker.remote_bus import RemoteBus, answer

    pipeline = make()
    ours, theirs = Channel.pair()

    def serve() -> None:
        bus = pipeline.connect()
        while (question := theirs.wait_for_line()) is not None:
            theirs.send(json.loads(json.dumps(answer(bus, question))))

    serving = threading.Thread(target=serve)
    serving.start()
    remote = RemoteBus(ours)
    remote.send(pipeline.first, Message("run-1", "load", None, {"rows": 5}))
    delivery = remote.take(pipeline.first, "a", PATIENCE)
    assert delivery is not None
    assert remote.beat(delivery)
    remote.forward(delivery, [(pipeline.second, delivery.message)])
    with pytest.raises(LeaseLost):
        remote.forward(delivery, [(pipeline.second, delivery.message)])
    ours.close()
    serving.join(PATIENCE)
    assert len(pipeline.passed_on()) == 1
