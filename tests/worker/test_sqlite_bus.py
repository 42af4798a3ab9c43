"""The embedded bus: crashes, several processes at once, damaged files, and how fast it wakes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.model.run import Message
from j2k_dev.worker.sqlite_bus import SqliteBus, remove_if_damaged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MESSAGE = Message("run-1", "load")
SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    bus = SqliteBus(tmp_path / "bus.sqlite")
    bus.create_topics(["in", "out"])
    bus.close()
    return tmp_path / "bus.sqlite"


@pytest.fixture
def bus(path: Path) -> Iterator[SqliteBus]:
    opened = SqliteBus(path)
    yield opened
    opened.close()


def echo(path: Path, messages: int) -> None:
    """Forward what comes in."""
    bus = SqliteBus(path)
    for _ in range(messages):
        delivery = bus.take("in", f"echo-{os.getpid()}", 30)
        assert delivery is not None
        bus.forward(delivery, [("out", delivery.message)])


def test_several_processes_share_the_messages_and_each_is_forwarded_once(path: Path, bus: SqliteBus) -> None:
    workers = [SPAWN.Process(target=echo, args=(path, 25)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for number in range(75):
        bus.send("in", Message("run-1", "load", attempt=number))
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    got = [bus.take("out", "test", 0) for _ in range(75)]
    assert sorted(delivery.message.attempt for delivery in got if delivery) == list(range(75))
    assert bus.waiting(["in"]) == 0


KILLED_IN_A_STEP = """
import os, signal, sys
from pathlib import Path
from j2k_dev.model.run import Message
from j2k_dev.worker import sqlite_bus

bus = sqlite_bus.SqliteBus(Path(sys.argv[1]))
delivery = bus.take("in", "killed", 5)

def insert_and_die(connection, topic, message, insert=sqlite_bus._insert):
    insert(connection, topic, message)
    os.kill(os.getpid(), signal.SIGKILL)

sqlite_bus._insert = insert_and_die
bus.forward(delivery, [("out", delivery.message)])
"""


def test_a_process_killed_in_the_middle_of_a_step_leaves_nothing_of_it(path: Path, bus: SqliteBus) -> None:
    bus.send("in", MESSAGE)
    killed = subprocess.run([sys.executable, "-c", KILLED_IN_A_STEP, path], check=False, timeout=30)
    assert killed.returncode == -signal.SIGKILL
    assert bus.take("out", "test", 0) is None
    assert bus.release("killed") == 1
    delivery = bus.take("in", "test", 0)
    assert delivery is not None
    assert delivery.message == MESSAGE


def test_what_a_dead_owner_had_is_delivered_at_once_when_somebody_says_so(bus: SqliteBus) -> None:
    bus.send("in", MESSAGE)
    assert bus.take("in", "dead", 0) is not None
    assert bus.take("in", "alive", 0) is None
    assert bus.release("dead") == 1
    assert bus.release("dead") == 0
    assert bus.take("in", "alive", 0) is not None


def test_all_leases_of_some_topics_are_taken_back_and_no_others(bus: SqliteBus) -> None:
    for topic in ("in", "out"):
        bus.send(topic, MESSAGE)
        assert bus.take(topic, "dead", 0) is not None
    assert bus.release_all(["in"]) == 1
    assert bus.take("in", "alive", 0) is not None
    assert bus.take("out", "alive", 0) is None


def test_leases_stay_when_the_connection_is_closed(bus: SqliteBus) -> None:
    bus.send("in", MESSAGE)
    delivery = bus.take("in", "test", 0)
    assert delivery is not None
    bus.close()
    bus.forward(delivery, [("out", MESSAGE)])
    passed = bus.take("out", "test", 0)
    assert passed is not None
    assert passed.message == MESSAGE


def test_dropped_topics_leave_nothing_behind(path: Path, bus: SqliteBus) -> None:
    bus.send("in", MESSAGE)
    bus.take("in", "test", 0)
    bus.drop(["in", "out"])
    bus.close()
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["bus.sqlite"]
    bus.create_topics(["in"])
    assert bus.take("in", "test", 0) is None


@pytest.mark.parametrize("content", [b"this is no database at all, and long enough to be read as one" * 20])
def test_a_file_that_is_no_database_is_said_to_be_damaged(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bus.sqlite"
    path.write_bytes(content)
    with pytest.raises(MachineryFailed, match="is damaged") as caught:
        SqliteBus(path).create_topics(["in"])
    assert "bus.sqlite-wal" in caught.value.way_out
    assert path.read_bytes() == content


def test_a_truncated_database_is_said_to_be_damaged(path: Path) -> None:
    assert not path.with_name("bus.sqlite-wal").exists(), "the last connection wrote everything back"
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(MachineryFailed, match="is damaged"):
        SqliteBus(path).send("in", MESSAGE)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7])
def test_a_truncated_database_is_removed_and_made_anew(path: Path, share: float) -> None:
    os.truncate(path, int(path.stat().st_size * share))
    assert remove_if_damaged(path)
    assert not path.exists()
    bus = SqliteBus(path)
    bus.create_topics(["in"])
    bus.send("in", MESSAGE)
    assert bus.waiting(["in"]) == 1
    bus.close()


def test_a_sound_database_stays_also_while_somebody_writes(path: Path, bus: SqliteBus) -> None:
    bus.send("in", MESSAGE)
    with bus._transaction():
        assert not remove_if_damaged(path)
    assert bus.waiting(["in"]) == 1
    assert not remove_if_damaged(path.with_name("missing"))


def test_a_database_cut_to_nothing_starts_anew(path: Path) -> None:
    os.truncate(path, 0)
    bus = SqliteBus(path)
    bus.create_topics(["in"])
    assert bus.take("in", "test", 0) is None
    bus.close()


def test_a_place_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MachineryFailed, match=r"file/bus\.sqlite can't be used"):
        SqliteBus(tmp_path / "file" / "bus.sqlite").create_topics(["in"])


def test_a_full_database_is_a_full_disk_and_nothing_of_the_step_stays(bus: SqliteBus) -> None:
    bus.send("in", MESSAGE)
    assert bus._connection is not None
    pages = bus._connection.execute("PRAGMA page_count").fetchone()[0]
    bus._connection.execute(f"PRAGMA max_page_count = {pages}")
    delivery = bus.take("in", "test", 0)
    assert delivery is not None
    with pytest.raises(MachineryFailed, match="disk full"):
        bus.forward(delivery, [("out", Message("run-1", "fit", "x" * 100_000))])
    assert bus.waiting(["in"]) == 1
    assert bus.waiting(["out"]) == 0


def test_without_named_pipes_waiting_still_ends_with_the_message(path: Path) -> None:
    path.with_name("bus.sqlite-bells").write_text("a file where the pipes would be")
    worker = SPAWN.Process(target=echo, args=(path, 1))
    worker.start()
    bus = SqliteBus(path)
    bus.send("in", MESSAGE)
    worker.join(30)
    assert worker.exitcode == 0
    bus.close()


def test_waking_takes_a_few_milliseconds_at_most(path: Path, bus: SqliteBus) -> None:
    worker = SPAWN.Process(target=echo, args=(path, 40))
    worker.start()
    times = []
    for _ in range(40):
        started = time.perf_counter()
        bus.send("in", MESSAGE)
        answer = bus.take("out", "test", 30)
        times.append(time.perf_counter() - started)
        assert answer is not None
        bus.forward(answer, [])
    worker.join(30)
    # There and back: two wake-ups, two steps each. Ten times what it takes, for busy machines.
    assert statistics.median(times) < 0.02


def test_waiting_costs_next_to_no_processor_time(bus: SqliteBus) -> None:
    bus.take("in", "test", 0)
    started = time.process_time()
    bus.take("in", "test", 1.0)
    assert time.process_time() - started < 0.05


def test_the_database_is_in_wal_mode(path: Path) -> None:
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
