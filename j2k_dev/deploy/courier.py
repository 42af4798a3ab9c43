"""The client of a courier: what a run needs of an exchange and a bus that this machine has no way to but one pod.

What was transferred whole is never sent again; a connection that breaks is made anew, and the question asked again.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from j2k_dev.model.codec import to_plain
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.worker.atomic import sync_folder
from j2k_dev.worker.frames import VERSION, Frame, Frames, LineLost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from j2k_dev.model.run import Message
    from j2k_dev.worker.blobs import BlobStore

# Beyond what the courier itself waits for the broker: one that is silent for so long is gone.
_ANSWER_SECONDS = 120.0
_GREETING_SECONDS = 30.0
_PATIENCE_SECONDS = 180.0
_AGAIN_SECONDS = 0.5
_PART_BYTES = 1 << 22
_MOST_PARTS = 1000
_SAID_BYTES = 2000


class Connection:
    """A program at whose other end a courier answers; ``arguments`` are its command line."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the connection
        self._process = subprocess.Popen(
            list(arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.frames = Frames(self._process.stdout.fileno(), self._process.stdin.fileno())

    def greet(self) -> None:
        """Wait until the courier answers; raise LineLost with what was said instead."""
        frame = self.frames.read(_GREETING_SECONDS)
        if frame is None or frame.line.get("courier") != VERSION:
            raise LineLost(self.said() or "it ended at once")

    def said(self) -> str:
        """Return the last of what the program had to say."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace").strip()[-_SAID_BYTES:]

    def close(self) -> None:
        """End the program."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            with suppress(OSError):  # what was not written is lost, and is known to be
                assert pipe is not None
                pipe.close()


class Courier:
    """Asks a courier, over connections that ``connect`` makes: at first, and whenever one broke."""

    def __init__(self, connect: Callable[[], Connection], store: BlobStore) -> None:
        self._connect = connect
        self._store = store
        self._connection: Connection | None = None
        self._lock = threading.Lock()
        self.sent_bytes = 0
        self.fetched_bytes = 0

    def ask(self, verb: str, given: Any = None, data: bytes = b"") -> Frame:
        """Ask, until there is an answer; raise MachineryFailed with the courier's reason, or where there is none."""
        with self._lock:
            frame = self._persistently(Frame({"ask": verb, "given": given}, data))
        if "failed" in frame.line:
            raise MachineryFailed(*frame.line["failed"])
        return frame

    def close(self) -> None:
        """Disconnect; the next question connects again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _persistently(self, frame: Frame) -> Frame:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return self._asked(frame)
            except LineLost as lost:
                why = str(lost)
                if self._connection is not None:
                    why = self._connection.said() or why
                self.close()
                if time.monotonic() > deadline:
                    told = f"the courier on the cluster does not answer: {why}"
                    raise MachineryFailed(told, "run the same command again: it goes on where it was") from lost
            threading.Event().wait(_AGAIN_SECONDS)

    def _asked(self, frame: Frame) -> Frame:
        if self._connection is None:
            self._connection = self._connect()
            self._connection.greet()
        frames = self._connection.frames
        frames.write(frame, _ANSWER_SECONDS)
        answer = frames.read(_ANSWER_SECONDS)
        if answer is None:
            raise LineLost("it ended")
        return answer

    # --- the bus ------------------------------------------------------------------------------------------------------

    def create_topics(self, topics: Iterable[str], partitions: int = 1) -> None:
        """Make topics; those that exist stay as they are."""
        self.ask("create_topics", [list(topics), partitions])

    def delete_topics(self, topics: Sequence[str]) -> None:
        """Remove topics with all that is in them; those that do not exist are no error."""
        self.ask("delete_topics", list(topics))

    def topics(self, prefix: str) -> tuple[str, ...]:
        """Return the topics whose names begin with this."""
        return tuple(self.ask("topics", prefix).line["done"])

    def send(self, topic: str, message: Message) -> None:
        """Append a message to a topic that exists."""
        self.ask("send", [topic, to_plain(message)])

    def waiting(self, topics: Sequence[str], run: str = "") -> int:
        """Count the messages that nobody has forwarded yet, taken ones included: those of one run, or all."""
        return int(self.ask("waiting", [list(topics), run]).line["done"])

    # --- the exchange -------------------------------------------------------------------------------------------------

    def bring(self, blobs: Iterable[str]) -> int:
        """Send the blobs that the cluster's exchange lacks, from where they were cut off; return how many bytes."""
        before = self.sent_bytes
        for batch in _batches(self._outgoing(sorted(set(blobs)))):
            data = b"".join(self._read(sha256, offset, count) for sha256, _, offset, count in batch)
            self.ask("take", batch, data)
            self.sent_bytes += len(data)
        return self.sent_bytes - before

    def fetch(self, blobs: Iterable[str]) -> int:
        """Fetch the blobs that the exchange here lacks, from where they were cut off; return how many bytes."""
        before = self.fetched_bytes
        wanted = sorted({sha256 for sha256 in blobs if not self._store.has(sha256)})
        sizes = dict(zip(wanted, (size for size, _ in self._held(wanted)), strict=True))
        for batch in _batches(self._incoming(sizes)):
            data = self.ask("give", [[sha256, offset, count] for sha256, _, offset, count in batch]).data
            self._keep(batch, data)
            self.fetched_bytes += len(data)
        return self.fetched_bytes - before

    def write(self, name: str, data: bytes) -> None:
        """Write a file of a run on the cluster's exchange."""
        self.ask("write", name, data)

    def remove(self, name: str) -> None:
        """Remove a file of a run from the cluster's exchange."""
        self.ask("remove", name)

    def whole(self, states: Sequence[tuple[str | None, str | None]]) -> list[bool]:
        """Tell of each state (snapshot, files) whether all of it is on the cluster's exchange."""
        found: list[bool] = self.ask("whole", [list(state) for state in states]).line["done"]
        return found

    def purge(self) -> None:
        """Remove all that pipelines left on the cluster's exchange."""
        self.ask("purge")

    def _held(self, names: Sequence[str]) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for start in range(0, len(names), _MOST_PARTS):
            told = self.ask("held", list(names[start : start + _MOST_PARTS])).line["done"]
            found += [(size, begun) for size, begun in told]
        return found

    def _outgoing(self, names: list[str]) -> Iterator[tuple[str, int, int, int]]:
        for sha256, (there, begun) in zip(names, self._held(names), strict=True):
            size = self._store.path(sha256).stat().st_size
            if there != size:
                yield from _parts(sha256, size, begun if begun < size else 0)

    def _incoming(self, sizes: dict[str, int]) -> Iterator[tuple[str, int, int, int]]:
        for sha256, size in sizes.items():
            if size < 0:
                told = f"blob {sha256} is missing on the cluster's volume"
                raise MachineryFailed(told, "run the same command again with --fresh")
            begun = self._begun(sha256)
            have = begun.stat().st_size if begun.exists() else 0
            yield from _parts(sha256, size, have if have < size else 0)

    def _read(self, sha256: str, offset: int, count: int) -> bytes:
        with self._store.path(sha256).open("rb") as file:
            file.seek(offset)
            return file.read(count)

    def _keep(self, batch: list[tuple[str, int, int, int]], data: bytes) -> None:
        start = 0
        for sha256, size, offset, count in batch:
            with self._opened(sha256) as file:
                file.truncate(offset)
                file.seek(offset)
                file.write(data[start : start + count])
                file.flush()
                os.fsync(file.fileno())
            if offset + count == size:
                self._finish(sha256)
            start += count

    def _opened(self, sha256: str) -> Any:
        path = self._begun(sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("r+b" if path.exists() else "w+b")

    def _finish(self, sha256: str) -> None:
        begun, target = self._begun(sha256), self._store.path(sha256)
        with begun.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != sha256:
            begun.unlink()
            told = f"blob {sha256} is damaged on the cluster's volume, or was on its way"
            raise MachineryFailed(told, "run the same command again; if that does not help, with --fresh")
        begun.chmod(0o444)
        target.parent.mkdir(exist_ok=True)
        begun.rename(target)
        sync_folder(target.parent)

    def _begun(self, sha256: str) -> Path:
        return self._store.root / f".new-courier-{sha256}"


def _parts(sha256: str, size: int, begun: int) -> Iterator[tuple[str, int, int, int]]:
    """Cut a blob into parts: hash, whole size, offset, count; an empty one is one part."""
    for offset in range(begun, max(size, 1), _PART_BYTES):
        yield sha256, size, offset, min(_PART_BYTES, size - offset)


def _batches(parts: Iterable[tuple[str, int, int, int]]) -> Iterator[list[tuple[str, int, int, int]]]:
    """Put parts together that are small: an answer is waited for only once for all of them."""
    batch: list[tuple[str, int, int, int]] = []
    size = 0
    for part in parts:
        if batch and (size + part[3] > _PART_BYTES or len(batch) == _MOST_PARTS):
            yield batch
            batch, size = [], 0
        batch.append(part)
        size += part[3]
    if batch:
        yield batch
