"""The embedded bus: one SQLite database in WAL mode, shared by the processes of one machine.

A lease is a row's ``deliveries`` counter: whoever raised it last owns the message. Waiting owners sleep on a named
pipe per topic (the bell), which a sender rings after its commit, so nobody polls the database at a high rate. The
database survives killed processes; after a power cut it may have forgotten the last steps (``synchronous=NORMAL``),
which only delivers a message once more.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import select
import sqlite3
import time
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from j2k_dev.model.codec import from_plain, to_plain
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.model.run import Message
from j2k_dev.worker.bus import Delivery, LeaseLost
from j2k_dev.worker.exchange import DiskFull

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

LEASE_SECONDS = 15.0
BUSY_SECONDS = 30.0
# A bell can be missed (its reader was killed after reading it, a lease ran out), so the table is looked at as well.
LOOK_SECONDS = 0.2
LOOK_SECONDS_WITHOUT_BELL = 0.002

_SCHEMA = """
CREATE TABLE IF NOT EXISTS topics (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL REFERENCES topics (name),
    body TEXT NOT NULL,
    owner TEXT NOT NULL DEFAULT '',
    deliveries INTEGER NOT NULL DEFAULT 0,
    leased_until REAL NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS messages_in_order ON messages (topic, id);
"""


class SqliteBus:
    """A ``Bus`` in one file, for several processes; one object belongs to one thread, and never crosses a fork open."""

    def __init__(self, path: Path, lease: float = LEASE_SECONDS) -> None:
        self._path = path
        self._lease = lease
        self._connection: sqlite3.Connection | None = None
        self._bells: dict[str, _Bell] = {}

    def create_topics(self, topics: Iterable[str]) -> None:
        """Make topics known; those that exist stay as they are."""
        with self._transaction() as connection:
            connection.executemany("INSERT OR IGNORE INTO topics VALUES (?)", [(topic,) for topic in topics])

    def send(self, topic: str, message: Message) -> None:
        """Append a message to a topic that exists."""
        with self._transaction() as connection:
            _insert(connection, topic, message)
        self._ring(topic)

    def take(self, topic: str, owner: str, timeout: float, wake: Sequence[int] = ()) -> Delivery | None:
        """Lease the next message, waiting up to ``timeout`` seconds or until a descriptor in ``wake`` is readable."""
        deadline = time.monotonic() + timeout
        bell = self._bell(topic)
        while True:
            delivery = self._grab(topic, owner)
            left = deadline - time.monotonic()
            if delivery is not None or left <= 0 or bell.wait(left, wake):
                return delivery

    def beat(self, delivery: Delivery) -> bool:
        """Renew the lease; False when the message is somebody else's."""
        with self._explained() as connection:
            renewed = connection.execute(
                "UPDATE messages SET leased_until = ? WHERE id = ? AND deliveries = ?",
                (time.time() + self._lease, *delivery.receipt),
            )
            return renewed.rowcount == 1

    def forward(self, delivery: Delivery, following: Sequence[tuple[str, Message]]) -> None:
        """Acknowledge the message and send the following ones, in one step; raise LeaseLost and send nothing else."""
        with self._transaction() as connection:
            taken = connection.execute("DELETE FROM messages WHERE id = ? AND deliveries = ?", delivery.receipt)
            if taken.rowcount != 1:
                raise LeaseLost(f"{delivery.owner} lost its message in {delivery.topic}")
            for topic, message in following:
                _insert(connection, topic, message)
        for topic, _ in following:
            self._ring(topic)

    def release(self, owner: str) -> int:
        """Take back all that ``owner`` leased, because somebody knows that it died; return how many messages."""
        return self._release("owner = ?", (owner,))

    def release_all(self, topics: Sequence[str]) -> int:
        """Take back every lease in these topics, because somebody knows that all their owners died."""
        return self._release(f"topic IN ({', '.join('?' * len(topics))})", tuple(topics))

    def waiting(self, topics: Sequence[str], run: str = "") -> int:
        """Count the messages in these topics, leased ones included: those of one run, or all."""
        marks = ", ".join("?" * len(topics))
        with self._explained() as connection:
            query = f"SELECT body FROM messages WHERE topic IN ({marks})"  # noqa: S608 - only question marks
            bodies = connection.execute(query, tuple(topics)).fetchall()
        return sum(not run or json.loads(body)["run"] == run for (body,) in bodies)

    def drop(self, topics: Sequence[str]) -> None:
        """Forget topics with all that is in them."""
        names = [(topic,) for topic in topics]
        with self._transaction() as connection:
            connection.executemany("DELETE FROM messages WHERE topic = ?", names)
            connection.executemany("DELETE FROM topics WHERE name = ?", names)
        for topic in topics:
            self._bell_path(topic).unlink(missing_ok=True)
        with suppress(OSError):  # other topics' bells are in it, or nobody ever waited
            self._bells_folder.rmdir()

    def close(self) -> None:
        """Let go of files and connections; the next call opens them again. Leases stay."""
        while self._bells:
            self._bells.popitem()[1].close()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _grab(self, topic: str, owner: str) -> Delivery | None:
        with self._explained() as connection:
            while True:
                now = time.time()
                row = connection.execute(
                    "SELECT id, deliveries, body FROM messages"
                    " WHERE topic = ? AND leased_until <= ? ORDER BY id LIMIT 1",
                    (topic, now),
                ).fetchone()
                if row is None:
                    return None
                number, deliveries, body = row
                leased = connection.execute(
                    "UPDATE messages SET owner = ?, deliveries = deliveries + 1, leased_until = ?"
                    " WHERE id = ? AND deliveries = ? AND leased_until <= ?",
                    (owner, now + self._lease, number, deliveries, now),
                )
                if leased.rowcount == 1:
                    return Delivery(topic, owner, from_plain(Message, json.loads(body)), (number, deliveries + 1))

    def _release(self, where: str, values: tuple[str, ...]) -> int:
        with self._transaction() as connection:
            topics = connection.execute(f"SELECT DISTINCT topic FROM messages WHERE {where}", values).fetchall()  # noqa: S608 - a condition of this class
            update = f"UPDATE messages SET leased_until = 0, owner = '' WHERE leased_until > 0 AND {where}"  # noqa: S608 - a condition of this class
            count = connection.execute(update, values).rowcount
        for (topic,) in topics:
            self._ring(topic)
        return count

    @contextmanager
    def _explained(self) -> Iterator[sqlite3.Connection]:
        try:
            if self._connection is None:
                self._connection = _connect(self._path)
            yield self._connection
        except (sqlite3.Error, OSError) as error:
            raise _as_machinery(self._path, error) from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._explained() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:  # whatever it was, nothing of the step may stay
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _bell_path(self, topic: str) -> Path:
        digest = hashlib.sha256(topic.encode()).hexdigest()[:24]
        return self._bells_folder / digest

    @property
    def _bells_folder(self) -> Path:
        return self._path.with_name(f"{self._path.name}-bells")

    def _bell(self, topic: str) -> _Bell:
        if topic not in self._bells:
            self._bells[topic] = _Bell(self._bell_path(topic))
        return self._bells[topic]

    def _ring(self, topic: str) -> None:
        # ENXIO: nobody waits; EAGAIN: it rings already; ENOENT: nobody ever waited, or no named pipes here.
        with suppress(OSError):
            descriptor = os.open(self._bell_path(topic), os.O_WRONLY | os.O_NONBLOCK)
            try:
                os.write(descriptor, b"!")
            finally:
                os.close(descriptor)


class _Bell:
    """The named pipe on which owners of one topic wait; without it (some file systems) they look more often."""

    def __init__(self, path: Path) -> None:
        self._descriptor: int | None = None
        with suppress(OSError):
            path.parent.mkdir(exist_ok=True)
            with suppress(FileExistsError):
                os.mkfifo(path, 0o600)
            # Opened for writing as well, so that it never reports the end of the file when a sender closes its end.
            self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)

    def wait(self, seconds: float, wake: Sequence[int]) -> bool:
        """Wait for the bell, or a look's time; True when one of ``wake`` is readable instead."""
        own = [] if self._descriptor is None else [self._descriptor]
        look = LOOK_SECONDS if own else LOOK_SECONDS_WITHOUT_BELL
        readable = select.select([*own, *wake], [], [], min(seconds, look))[0]
        if self._descriptor in readable:
            with suppress(BlockingIOError):
                os.read(own[0], 4096)
        return any(descriptor in readable for descriptor in wake)

    def close(self) -> None:
        """Stop listening."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def remove_if_damaged(path: Path) -> bool:
    """Remove a database that can't be read, so that it is made anew; say whether it was one.

    Nothing is lost by that: where a run has to go on is told by what its stages published.
    """
    if not path.exists() or _is_sound(path):
        return False
    for file in (path, *(path.with_name(f"{path.name}-{kind}") for kind in ("wal", "shm", "journal"))):
        file.unlink(missing_ok=True)
    return True


def _is_sound(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
            return bool(connection.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",))
    except sqlite3.Error as error:
        return not _tells_damage(str(error))


def _tells_damage(text: str) -> bool:
    return "not a database" in text or "malformed" in text


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = 1; COMMIT;")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _insert(connection: sqlite3.Connection, topic: str, message: Message) -> None:
    body = json.dumps(to_plain(message))
    try:
        connection.execute("INSERT INTO messages (topic, body) VALUES (?, ?)", (topic, body))
    except sqlite3.IntegrityError as error:
        raise ValueError(f"there is no topic {topic}") from error


def _as_machinery(path: Path, error: sqlite3.Error | OSError) -> MachineryFailed:
    text = str(error)
    if "is full" in text or (isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}):
        return DiskFull.at(path)
    if _tells_damage(text):
        way_out = f"Remove it ({path.name}, {path.name}-wal, {path.name}-shm) and run again: finished stages are kept."
        return MachineryFailed(f"the message database {path} is damaged", way_out, text)
    way_out = "Check that its folder is on a local disk and writable, then run again."
    return MachineryFailed(f"the message database {path} can't be used: {text}", way_out)
