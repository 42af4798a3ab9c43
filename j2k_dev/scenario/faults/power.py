"""The power is cut where a worker runs: it is gone, and with it what it wrote to the exchange and never flushed."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from j2k_dev.deploy.manifests import EXCHANGE_MOUNT
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.scenario.faults.pods import Container
from j2k_dev.scenario.faults.processes import Signal
from j2k_dev.scenario.ground import Fault, Proof
from j2k_dev.scenario.unflushed import tells, unflushed_pages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What tells of the run, and what holds it: the scenario's own, which has to outlive what it tells of.
_WITNESSES = {"events", "holds"}
_SHARED = ("snapshots", "blobs")
_MOST_NAMED = 6


@dataclass
class PowerCut(Fault):
    """Empties every file of the run whose content is not on the disk, as file systems do, and kills the worker.

    The worker is held meanwhile, so that nobody reads what is about to be lost.
    """

    lost: list[str] = field(default_factory=list)
    kill: Signal | None = None

    def strike(self) -> None:
        """Do it."""
        if not self._is_told():
            told = "nobody tells what is not on the disk of the exchange yet"
            raise MachineryFailed(told, "use Linux 6.5 or later, and a workspace that is on a disk")
        for file in self._files():
            self._lose(file)
        self.begins()
        self.kill = Signal(self.ground, self.moment, replace(self.asked, fault="kill", process="worker"))
        self.kill.strike()

    def proof(self) -> Proof:
        """Say that the worker is gone, and which files were not on the disk."""
        assert self.kill is not None
        gone = self.kill.proof()
        more = f" and {len(self.lost) - _MOST_NAMED} more" if len(self.lost) > _MOST_NAMED else ""
        files = f"{', '.join(self.lost[:_MOST_NAMED])}{more}" if self.lost else "nothing"
        return Proof(
            gone.bit, f"{gone.told}; not on the disk, and lost: {files}",
            {**gone.before, "not on the disk": files}, {**gone.after, "emptied": files},
        )  # fmt: skip

    def _is_told(self) -> bool:
        """Have a file written the way that the worker writes, and see whether this machine knows what became of it."""
        probe = self.ground.exchange / f".power-{secrets.token_hex(4)}"
        try:
            if self.ground.cluster is None:
                probe.write_bytes(b"not on the disk yet")
            else:
                container = Container.of(self.ground.cluster, self.moment.worker)
                container.in_node(f"echo > /proc/{container.first}/root{EXCHANGE_MOUNT}/{probe.name}")
            return tells(probe)
        finally:
            probe.unlink(missing_ok=True)

    def _files(self) -> Iterator[Path]:
        """Give all that workers wrote since the run began: what is older was flushed by others, or by time."""
        run = self.ground.exchange / "runs" / self.ground.run
        began = (run / "inputs.json").stat().st_mtime
        places = [place for place in run.iterdir() if place.name not in _WITNESSES]
        yield from (file for place in places for file in _regular(place))
        for name in _SHARED:
            yield from (file for file in _regular(self.ground.exchange / name) if file.stat().st_mtime >= began)

    def _lose(self, file: Path) -> None:
        if file.stat().st_size and unflushed_pages(file):
            file.chmod(0o644)
            os.truncate(file, 0)
            self.lost.append(file.name)


def _regular(place: Path) -> list[Path]:
    """List the files in a place, which may be one itself; those that are half written are not counted on by anybody."""
    return sorted(file for file in (place, *place.rglob("*")) if file.is_file() and not file.name.startswith("."))
