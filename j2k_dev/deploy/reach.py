"""What a run needs of its cluster's exchange and bus, and the two ways to have it: a shared folder, or a courier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from j2k_dev.worker.atomic import publish
from j2k_dev.worker.blobs import BlobStore
from j2k_dev.worker.exchange import Exchange
from j2k_dev.worker.files import manifest_from_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from j2k_dev.deploy.courier import Courier
    from j2k_dev.model.run import Message, StageResult

_NEWS_SECONDS = 0.3


class Bus(Protocol):
    """What is asked of the bus from here."""

    def create_topics(self, topics: Iterable[str], partitions: int = 1) -> None:
        """Make topics; those that exist stay as they are."""

    def delete_topics(self, topics: Sequence[str]) -> None:
        """Remove topics with all that is in them."""

    def topics(self, prefix: str) -> tuple[str, ...]:
        """Return the topics whose names begin with this."""

    def send(self, topic: str, message: Message) -> None:
        """Append a message to a topic that exists."""

    def waiting(self, topics: Sequence[str], run: str = "") -> int:
        """Count the messages that nobody has forwarded yet, taken ones included: those of one run, or all."""

    def close(self) -> None:
        """Disconnect; the next call connects again."""


class Reach(Protocol):
    """The exchange of a cluster, as far as a run reaches into it; the workspace's own is what everybody reads."""

    @property
    def bus(self) -> Bus:
        """Give the bus."""

    @property
    def moved(self) -> tuple[int, int]:
        """Count the bytes of blobs that were sent and fetched."""

    def bring(self, run: str, stages: Sequence[str]) -> None:
        """Have everything there that the run starts from."""

    def hear(self, run: str, stages: Sequence[str]) -> None:
        """Have here what the run has told since the last time: events and results of these stages."""

    def fetch(self, run: str, stages: Sequence[str]) -> None:
        """Have here, once the run has ended, all that its results are read from."""

    def close(self) -> None:
        """Disconnect."""


class SharedFolder:
    """The exchange is a folder of this machine that the pods see too: everything is there at once."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.moved = (0, 0)

    def bring(self, run: str, stages: Sequence[str]) -> None:
        """Do nothing."""

    def hear(self, run: str, stages: Sequence[str]) -> None:
        """Do nothing."""

    def fetch(self, run: str, stages: Sequence[str]) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Disconnect from the broker."""
        self.bus.close()


class ByCourier:
    """The exchange is a volume of the cluster, and what is read here of it is copied to ``root`` by its courier."""

    def __init__(self, courier: Courier, root: Path) -> None:
        self._courier = courier
        self._exchange = Exchange(root)
        self._store = BlobStore(root / "blobs")

    @property
    def bus(self) -> Bus:
        """Give the bus: the courier asks the broker."""
        return self._courier

    @property
    def moved(self) -> tuple[int, int]:
        """Count the bytes of blobs that were sent and fetched."""
        return self._courier.sent_bytes, self._courier.fetched_bytes

    def bring(self, run: str, stages: Sequence[str]) -> None:
        """Send the blobs of the inputs and the list of them; what the volume has lost is to be made again."""
        listed = self._exchange.inputs(run).read_bytes()
        entries = manifest_from_json(listed).values()
        self._courier.bring(entry.content for entry in entries if entry.kind == "file")
        self._courier.write(f"runs/{run}/inputs.json", listed)
        self._forget_what_is_lost(run, stages)

    def hear(self, run: str, stages: Sequence[str]) -> None:
        """Copy new lines of events, and results that are not here yet."""
        known = self._exchange.events(run)
        sizes = {f"events/{path.name}": path.stat().st_size for path in known.glob("*.jsonl")}
        missing = [stage for stage in stages if not self._result(run, stage).exists()]
        given = {"run": run, "events": sizes, "stages": missing, "wait": _NEWS_SECONDS}
        answer = self._courier.ask("news", given)
        start = 0
        for name, offset, count in answer.line["done"]:
            self._keep(known.parent / name, offset, answer.data[start : start + count])
            start += count

    def fetch(self, run: str, stages: Sequence[str]) -> None:
        """Copy the lists of files, and the files that there are at the end."""
        results = self._results(run, stages)
        self._courier.fetch(result.files for result in results.values() if result.files)
        last = next((result.files for result in reversed([*results.values()]) if result.files), None)
        if last is not None:
            entries = manifest_from_json(self._store.read(last)).values()
            self._courier.fetch(entry.content for entry in entries if entry.kind == "file")

    def close(self) -> None:
        """Disconnect from the courier."""
        self._courier.close()

    def _keep(self, path: Path, offset: int, data: bytes) -> None:
        """Put what was told where it is told in the workspace: results as a whole, events after the ones before."""
        if path.suffix == ".json":
            publish(path, data)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.truncate(offset)
            file.seek(offset)
            file.write(data)

    def _results(self, run: str, stages: Sequence[str]) -> Mapping[str, StageResult]:
        found = ((stage, self._exchange.read(run, stage)) for stage in stages)
        return {stage: result for stage, result in found if result is not None}

    def _forget_what_is_lost(self, run: str, stages: Sequence[str]) -> None:
        """Remove the results here, from the first on whose state is not on the volume: these stages run again."""
        results = {stage: it for stage, it in self._results(run, stages).items() if it.files and not it.failure}
        whole = self._courier.whole([(result.snapshot, result.files) for result in results.values()])
        lost = next((stage for stage, there in zip(results, whole, strict=True) if not there), None)
        if lost is not None:
            for stage in [*stages][[*stages].index(lost) :]:
                self._result(run, stage).unlink(missing_ok=True)
                self._courier.remove(f"runs/{run}/{stage}/result.json")

    def _result(self, run: str, stage: str) -> Path:
        return self._exchange.folder(run, stage) / "result.json"
