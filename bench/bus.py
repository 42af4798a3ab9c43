"""What handing a message on costs: from the owner's ``forward`` to its delivery to somebody who waits for it.

Needs a broker: ``J2K_BENCH_KAFKA=HOST:PORT python -m bench.bus``.
"""

from __future__ import annotations

import os
import queue
import secrets
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.measure import Aim, Result, Series, Setting, WrongResult
from j2k_dev.model.run import Message
from j2k_dev.worker.bus import Topics
from j2k_dev.worker.kafka.settings import KafkaSettings
from j2k_dev.worker.sqlite_bus import SqliteBus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from j2k_dev.worker.bus import Bus

ADDRESS = "J2K_BENCH_KAFKA"
MESSAGE = Message("run", "load", "snapshot", {"rows": 5})
SECONDS = 60.0
MOST_MS = 100.0
# A stage works for longer than this; a transaction that follows another at once would wait for that one's end.
PAUSE_SECONDS = 0.05

_HOW = """\
One owner has taken a message, and another waits for the next stage's topic, in a thread of the same process. Measured \
is the time from calling `forward`, which acknowledges the one and sends the other in one step, to the other's having \
been delivered. The Kafka bus does that with a transaction and waits for its commit; its next owner reads committed \
messages only. Beside it kafka-python alone: a message sent with `acks=all` to a consumer without a group, no \
transaction and no acknowledgement, so that a message can be lost or come twice. One broker on this machine."""


def measure(setting: Setting) -> Result:
    """Measure all three; raise WrongResult where there is no broker."""
    if ADDRESS not in os.environ:
        raise WrongResult(f"set {ADDRESS} to HOST:PORT of a Kafka broker")
    count = setting.repetitions(100)
    kafka = KafkaSettings((os.environ[ADDRESS],))
    found = {
        "SQLite bus": _bus(lambda: SqliteBus(setting.folder / "bench-bus.sqlite"), count),
        "Kafka bus": _kafka(kafka, count),
        "kafka-python alone": _plain(kafka, count),
    }
    series = tuple(Series(name, "handed on", "ms", tuple(values)) for name, values in found.items())
    median = series[1].median
    aim = Aim("100 ms or less by Kafka at the median", f"{median:.0f} ms", median <= MOST_MS)
    return Result("bus", "Handing a message on", _HOW, series, (aim,))


def _kafka(settings: KafkaSettings, count: int) -> list[float]:
    from j2k_dev.worker.kafka.bus import KafkaBus

    return _bus(lambda: KafkaBus(settings), count)


def _bus(connect: Callable[[], Any], count: int) -> list[float]:
    names = Topics(f"bench-{secrets.token_hex(4)}")
    first, second = names.stage("load"), names.stage("fit")
    bus = connect()
    bus.create_topics([first, second])
    try:
        with _listening(connect, second, count + 1) as arrivals:
            times = [_handed_on(bus, first, second, arrivals) for _ in range(count + 1)]
    finally:
        getattr(bus, "delete_topics", lambda _topics: None)([first, second])
        bus.close()
    return times[1:]  # the first one connects


def _handed_on(bus: Bus, first: str, second: str, arrivals: queue.Queue[float]) -> float:
    bus.send(first, MESSAGE)
    delivery = bus.take(first, "first", SECONDS)
    if delivery is None:
        raise WrongResult(f"nothing arrived in {first}")
    time.sleep(PAUSE_SECONDS)
    started = time.perf_counter()
    bus.forward(delivery, [(second, MESSAGE)])
    return (arrivals.get(timeout=SECONDS) - started) * 1000


@contextmanager
def _listening(connect: Callable[[], Bus], topic: str, count: int) -> Iterator[queue.Queue[float]]:
    arrivals: queue.Queue[float] = queue.Queue()

    def listen() -> None:
        bus = connect()
        for _ in range(count):
            delivery = bus.take(topic, "second", SECONDS)
            arrivals.put(time.perf_counter())
            if delivery is not None:
                bus.forward(delivery, [])
        bus.close()

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    yield arrivals
    thread.join(SECONDS)


def _plain(settings: KafkaSettings, count: int) -> list[float]:
    from kafka import KafkaConsumer, KafkaProducer
    from kafka.structs import TopicPartition

    from j2k_dev.worker.kafka.bus import KafkaBus

    topic = f"bench-{secrets.token_hex(4)}"
    bus = KafkaBus(settings)
    bus.create_topics([topic])
    producer = KafkaProducer(acks="all", **settings.client_options)
    consumer = KafkaConsumer(group_id=None, auto_offset_reset="earliest", **settings.client_options)
    consumer.assign([TopicPartition(topic, 0)])
    arrivals: queue.Queue[float] = queue.Queue()

    def listen() -> None:
        for _ in range(count + 1):
            while not consumer.poll(1000):
                pass
            arrivals.put(time.perf_counter())

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    times = []
    for _ in range(count + 1):
        time.sleep(PAUSE_SECONDS)
        started = time.perf_counter()
        producer.send(topic, b"x" * 100).get(SECONDS)
        times.append((arrivals.get(timeout=SECONDS) - started) * 1000)
    thread.join(SECONDS)
    consumer.close()
    producer.close()
    bus.delete_topics([topic])
    bus.close()
    return times[1:]


def main() -> int:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="j2k-bench-") as folder:
        result = measure(Setting(Path(folder), Path(sys.executable).parent, quick=False))
    for one in result.series:
        ordered = sorted(one.values)
        print(
            f"{one.contender}: {one.median:.1f} ms at the median, {ordered[int(len(ordered) * 0.95)]:.1f} ms"
            f" at the 95th percentile, {len(ordered)} messages"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
