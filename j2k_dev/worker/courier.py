"""The courier: a program in a short-lived pod on the exchange of a cluster that shares no folder with this machine.

``wait FOLDER`` keeps the pod for as long as somebody asks something; ``serve FOLDER`` answers one connection
(``kubectl exec -i``) on stdin and stdout. Whatever was asked may be asked again: nothing is done twice, or it does not
matter.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import tempfile
import threading
import time
from contextlib import suppress
from json import JSONDecodeError, loads
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from j2k_dev.model.codec import from_plain
from j2k_dev.model.errors import J2kError, MachineryFailed
from j2k_dev.model.run import Message
from j2k_dev.worker.atomic import publish, sync_folder
from j2k_dev.worker.blobs import BlobStore
from j2k_dev.worker.files import manifest_from_json
from j2k_dev.worker.frames import VERSION, Frame, Frames, LineLost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

FOLDERS = ("blobs", "snapshots", "runs", "known")
_LIFE_SECONDS = 600.0
_LOOK_SECONDS = 0.05
# Begun uploads: what came of them is not sent again, unless nobody went on with them for a day.
_BEGUN = ".new-courier-"
_STALE_SECONDS = 24 * 3600.0


def main(arguments: Sequence[str]) -> int:
    """Wait or serve."""
    what, folder = arguments
    alive = Path(tempfile.gettempdir(), "courier")
    if what == "wait":
        return _wait(alive)
    answers = os.dup(1)
    os.dup2(2, 1)  # whatever else prints, the answers stay whole
    remove_stale(Path(folder, "blobs"))
    _serve(Desk(Path(folder)), Frames(0, answers), alive)
    return 0


def _wait(alive: Path) -> int:
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: over.set())
    alive.touch()
    while time.time() - alive.stat().st_mtime < _LIFE_SECONDS and not over.wait(1.0):
        pass
    return 0


def _serve(desk: Desk, frames: Frames, alive: Path) -> None:
    with suppress(LineLost):
        frames.write(Frame({"courier": VERSION}))
        while (asked := frames.read()) is not None:
            alive.touch()
            frames.write(_answer(desk, asked))
    desk.close()


def _answer(desk: Desk, asked: Frame) -> Frame:
    try:
        answered = desk.do(asked.line["ask"], asked.line["given"], asked.data)
    except J2kError as error:
        return Frame({"failed": [error.message, error.way_out]})
    except OSError as error:
        return Frame({"failed": [f"the exchange can't be used: {error}", "see the volume that the claim is bound to"]})
    except ValueError as error:  # such as a topic that somebody removed
        return Frame({"failed": [f"the courier can't do that: {error}", "run the same command again"]})
    return answered if isinstance(answered, Frame) else Frame({"done": answered})


class Desk:
    """Does what is asked of the exchange and of the bus."""

    def __init__(self, exchange: Path) -> None:
        self._exchange = exchange
        self._store = BlobStore(exchange / "blobs")
        self._open_bus: Any = None
        self._verbs: dict[str, Callable[[Any, bytes], Any]] = {
            "held": self._held,
            "take": self._take,
            "give": self._give,
            "write": self._write,
            "remove": self._remove,
            "news": self._news,
            "whole": self._whole,
            "purge": self._purge,
            "create_topics": lambda given, _: self._bus.create_topics(*given),
            "delete_topics": lambda given, _: self._bus.delete_topics(given),
            "topics": lambda given, _: list(self._bus.topics(given)),
            "waiting": lambda given, _: self._bus.waiting(*given),
            "send": lambda given, _: self._bus.send(given[0], from_plain(Message, given[1])),
        }

    def do(self, verb: str, given: Any, data: bytes) -> Any:
        """Do one thing, and return what there is to tell."""
        return self._verbs[verb](given, data)

    def close(self) -> None:
        """Let go of the broker."""
        if self._open_bus is not None:
            self._open_bus.close()

    @property
    def _bus(self) -> Any:
        if self._open_bus is None:
            from j2k_dev.worker.kafka.bus import KafkaBus  # noqa: PLC0415 - not where files are all that is asked for
            from j2k_dev.worker.kafka.settings import settings_from_environment  # noqa: PLC0415 - see above

            self._open_bus = KafkaBus(settings_from_environment(os.environ))
        return self._open_bus

    # --- blobs --------------------------------------------------------------------------------------------------------

    def _held(self, names: list[str], _: bytes) -> list[list[int]]:
        """Tell of each blob its size, -1 where it is missing, and how much of it came already."""
        return [[_size(self._store.path(name)), max(_size(self._begun(name)), 0)] for name in names]

    def _take(self, parts: list[tuple[str, int, int, int]], data: bytes) -> None:
        """Take parts of blobs: hash, whole size, offset, count; what is complete is checked and in its place."""
        start = 0
        for sha256, size, offset, count in parts:
            if not self._store.has(sha256, size):
                self._append(sha256, offset, data[start : start + count])
                if offset + count == size:
                    self._finish(sha256)
            start += count

    def _append(self, sha256: str, offset: int, data: bytes) -> None:
        path = self._begun(sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("r+b" if path.exists() else "w+b") as file:
            if os.fstat(file.fileno()).st_size < offset:
                raise MachineryFailed(f"blob {sha256} did not come in order", "run the same command again")
            file.truncate(offset)
            file.seek(offset)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def _finish(self, sha256: str) -> None:
        path, target = self._begun(sha256), self._store.path(sha256)
        if _hash_of(path) != sha256:
            path.unlink()
            raise MachineryFailed(f"blob {sha256} arrived with another content", "run the same command again")
        path.chmod(0o444)
        target.parent.mkdir(exist_ok=True)
        path.rename(target)
        sync_folder(target.parent)

    def _begun(self, sha256: str) -> Path:
        return self._store.root / f"{_BEGUN}{sha256}"

    def _give(self, parts: list[tuple[str, int, int]], _: bytes) -> Frame:
        """Give parts of blobs: hash, offset, count."""
        return Frame({"done": None}, b"".join(self._part(*part) for part in parts))

    def _part(self, sha256: str, offset: int, count: int) -> bytes:
        try:
            with self._store.path(sha256).open("rb") as file:
                file.seek(offset)
                data = file.read(count)
        except FileNotFoundError:
            data = b""
        if len(data) != count:
            raise MachineryFailed(
                f"blob {sha256} is damaged or missing on the cluster's volume", "run it again: --fresh"
            )
        return data

    def _whole(self, states: list[tuple[str | None, str]], _: bytes) -> list[bool]:
        """Tell of each state (snapshot, and the blob that lists its files) whether all of it is there."""
        return [self._is_whole(*state) for state in states]

    def _is_whole(self, snapshot: str | None, files: str) -> bool:
        from j2k_dev.worker.snapshot import Restorer  # noqa: PLC0415 - takes its time to import

        try:
            needed = [
                (entry.content, entry.size)
                for entry in manifest_from_json(self._store.read(files)).values()
                if entry.kind == "file"
            ]
            if snapshot is not None:
                header = Restorer(self._exchange / "snapshots" / snapshot, self._store).header
                needed += [(blob[0], blob[1]) for blob in header.blobs]
        except MachineryFailed:
            return False
        return all(self._store.has(*blob) for blob in needed)

    # --- runs ---------------------------------------------------------------------------------------------------------

    def _write(self, name: str, data: bytes) -> None:
        """Write a file of a run, complete or not at all."""
        publish(self._file_of_run(name), data)

    def _remove(self, name: str, _: bytes) -> None:
        """Remove a file of a run."""
        self._file_of_run(name).unlink(missing_ok=True)

    def _file_of_run(self, name: str) -> Path:
        parts = PurePosixPath(name).parts
        if parts[:1] != ("runs",) or ".." in parts:
            raise MachineryFailed(f"{name} is no file of a run", "this is a bug in j2k")
        return self._exchange / name

    def _news(self, given: dict[str, Any], _: bytes) -> Frame:
        """Tell what is new of a run: whole lines of events beyond the given sizes, results of the given stages.

        Waits ``wait`` seconds for it; the answer lists [name below the run, offset, count].
        """
        folder = self._exchange / "runs" / given["run"]
        deadline = time.monotonic() + given["wait"]
        while not (news := list(_news_in(folder, given["events"], given["stages"]))) and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)  # the exchange may be a network share, which tells nobody of changes
        parts = [[name, offset, len(data)] for name, offset, data in news]
        return Frame({"done": parts}, b"".join(data for _, _, data in news))

    def _purge(self, _given: None, _: bytes) -> None:
        """Remove all that pipelines left here."""
        for name in FOLDERS:
            shutil.rmtree(self._exchange / name, ignore_errors=True)


def remove_stale(store: Path) -> None:
    """Remove what began to be sent long ago and was never finished."""
    for path in store.glob(f"{_BEGUN}*"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                path.unlink()


def _news_in(folder: Path, sizes: dict[str, int], stages: list[str]) -> Iterator[tuple[str, int, bytes]]:
    for path in sorted((folder / "events").glob("*.jsonl")):
        name = f"events/{path.name}"
        start = sizes.get(name, 0)
        if path.stat().st_size > start:
            with path.open("rb") as file:
                file.seek(start)
                lines, end, _torn = file.read().rpartition(b"\n")
            if end:
                yield name, start, lines + end
    for stage in stages:
        with suppress(FileNotFoundError, JSONDecodeError):
            content = (folder / stage / "result.json").read_bytes()
            loads(content)
            yield f"{stage}/result.json", 0, content


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1


def _hash_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            digest.update(chunk)
    return digest.hexdigest()
