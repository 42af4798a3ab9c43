"""The exchange: full, read-only, with a blob that is damaged or cut off, without a snapshot."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from j2k_dev.deploy.manifests import EXCHANGE_MOUNT
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.scenario.faults.pods import Container
from j2k_dev.scenario.ground import Fault, Proof
from j2k_dev.worker.blobs import BlobStore
from j2k_dev.worker.exchange import Exchange

if TYPE_CHECKING:
    from pathlib import Path


_SNAPSHOTS = f"{EXCHANGE_MOUNT}/snapshots"


@dataclass
class MountFault(Fault):
    """Makes the exchange read-only, or full where snapshots go, as the struck worker's container sees it.

    It is done to the container's own mounts: other pods, and this machine's disk, are left alone.
    """

    container: Container | None = None

    def strike(self) -> None:
        """Do it."""
        self.container = Container.of(self.ground.on_cluster, self.moment.worker)
        self.before = self._seen()
        self.begins()
        mount = f"mount --namespace {self.container.first}"
        if self.asked.fault == "readonly-exchange":
            # A second mount on top: the first can't become read-only while files of it are open.
            self.container.in_node(f"{mount} --bind {EXCHANGE_MOUNT} {EXCHANGE_MOUNT}")
            self.container.in_node(f"{mount} -o remount,bind,ro {EXCHANGE_MOUNT}")
        else:  # one page: no snapshot is so small
            self.container.in_node(f"{mount} -t tmpfs -o size=4k,mode=1777 full {_SNAPSHOTS}")
        self.after = self._seen()

    def undo(self) -> None:
        """Put it back, if the container is still there: a new one has mounts of its own."""
        if self.container is None:
            return
        place = EXCHANGE_MOUNT if self.asked.fault == "readonly-exchange" else _SNAPSHOTS
        self.container.in_node(f"umount --lazy --namespace {self.container.first} {place} 2>/dev/null || true")

    def proof(self) -> Proof:
        """Say what the container's own list of mounts said before, and then."""
        told = f"the container's mounts: {self.before['mounts']} before, {self.after['mounts']} then"
        return Proof(self.before != self.after, told, self.before, self.after)

    def _seen(self) -> dict[str, str]:
        assert self.container is not None
        lines = self.container.in_node(f"cat /proc/{self.container.first}/mountinfo").splitlines()
        places = [line.split() for line in lines]
        ours = (f"{it[4]} {it[5].partition(',')[0]}" for it in places if it[4].startswith(EXCHANGE_MOUNT))
        return {"mounts": ", ".join(ours)}


@dataclass
class Damage(Fault):
    """Damages, cuts off or removes what the stage is about to restore; another copy of it is nowhere."""

    file: Path | None = None

    def strike(self) -> None:
        """Do it to what the stage before handed over."""
        self.file = self._victim()
        content = self.file.read_bytes()
        self.before = _seen(self.file)
        self.begins()
        if self.asked.fault == "remove-snapshot":
            self.file.unlink()
        else:
            self.file.chmod(0o644)
            self.file.write_bytes(_damaged(content, half=self.asked.fault == "truncate-blob"))
        self.after = _seen(self.file)

    def proof(self) -> Proof:
        """Say what was done; the file may have been removed or made anew since, by whoever found it."""
        what = {"damage-blob": "one byte changed in the middle", "truncate-blob": "the second half cut off"}
        name = self.file.name[:16] if self.file else ""
        told = f"{name}: {what.get(self.asked.fault, 'removed')}"
        return Proof(self.before != self.after, told, self.before, self.after)

    def _victim(self) -> Path:
        """Choose the snapshot that is handed to the stage, or the largest blob that it refers to."""
        place = self.ground.stages.index(self.moment.stage)
        before = Exchange(self.ground.exchange).read(self.ground.run, self.ground.stages[place - 1]) if place else None
        if before is None or before.snapshot is None:
            told = f"nothing is handed over to {self.moment.stage}"
            raise MachineryFailed(told, "strike a later stage")
        snapshot = self.ground.exchange / "snapshots" / before.snapshot
        return snapshot if self.asked.fault == "remove-snapshot" else self._largest_blob(snapshot)

    def _largest_blob(self, snapshot: Path) -> Path:
        from j2k_dev.worker.snapshot import Restorer  # noqa: PLC0415 - imports IPython

        store = BlobStore(self.ground.exchange / "blobs")
        blobs = sorted(Restorer(snapshot, store).header.blobs, key=lambda blob: int(blob[1]))
        return store.path(str(blobs[-1][0])) if blobs else snapshot


def _damaged(content: bytes, *, half: bool) -> bytes:
    """Give the first half of a content, or all of it with another byte in the middle."""
    middle = len(content) // 2
    return content[:middle] if half else content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]


def _seen(file: Path) -> dict[str, str]:
    """Say what a file is, by its size and hash."""
    if not file.exists():
        return {"file": "none", "bytes": "none", "hash": "none"}
    content = file.read_bytes()
    return {"file": file.name[:16], "bytes": str(len(content)), "hash": hashlib.sha256(content).hexdigest()[:16]}
