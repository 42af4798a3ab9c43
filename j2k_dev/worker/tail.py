"""Reading the event histories of a run while they are being written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from j2k_dev.worker.events import Event, decode

if TYPE_CHECKING:
    from pathlib import Path


class Tail:
    """Gives each event once, from all the files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, int] = {}

    def new(self) -> list[Event]:
        """Return what was appended since the last time, in order of time; a torn line waits for its end."""
        found = [event for path in sorted(self._folder.glob("*.jsonl")) for event in self._new_in(path)]
        return sorted(found, key=lambda event: event.time)

    def _new_in(self, path: Path) -> list[Event]:
        start = self._read.get(path, 0)
        if path.stat().st_size <= start:
            return []
        with path.open("rb") as file:
            file.seek(start)
            whole, end, _torn = file.read().rpartition(b"\n")
        self._read[path] = start + len(whole) + len(end)
        return [event for event in map(decode, whole.splitlines()) if event is not None]
