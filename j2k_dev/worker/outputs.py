"""The outputs of cells as Jupyter's front end keeps them: streams merged, displays updated, outputs cleared.

What belongs to a cell that is over (a task or a handler that goes on printing) is dropped, as nbclient and papermill
do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from j2k_dev.worker.widgets import Areas

if TYPE_CHECKING:
    from j2k_dev.worker.journal import Journal

Output = dict[str, Any]
Place = tuple[int, int]


@dataclass
class Displays:
    """Where each ``display_id`` was shown: (cell, position), so that a later update finds it, in any stage."""

    places: dict[str, list[Place]] = field(default_factory=dict)
    areas: Areas = field(default_factory=Areas)


class Collector:
    """Collects the outputs of one cell at a time from the messages that Jupyter's kernel would send.

    ``journal`` keeps those of the running cell where they outlive the process.
    """

    def __init__(self) -> None:
        self.displays = Displays()
        self.updates: list[Output] = []
        self.cells: dict[int, list[Output]] = {}
        self._cell = -1
        self._request: str | None = None
        self._clear_next = False
        self.journal: Journal | None = None

    def start(self, cell: int, request: str = "") -> None:
        """Begin to collect for ``cell`` what answers ``request``."""
        self._cell, self._request = cell, request
        self._clear_next = False
        self.cells[cell] = []
        if self.journal is not None:
            self.journal.clear()

    def stop(self) -> None:
        """End the collection: what comes from now on until the next start is late."""
        self._request = None
        if self.journal is not None:
            self.journal.clear()

    def message(self, kind: str, content: dict[str, Any], request: str = "") -> None:
        """Take a message of the kernel protocol that answers ``request``."""
        if request != self._request:
            return
        if self.journal is not None:
            self.journal.note(kind, content)
        if kind.startswith("comm_"):
            self.displays.areas.message(kind, content)
        elif kind == "update_display_data":
            self._update(content)
        elif kind == "clear_output":
            self._clear_by(request, wait=content.get("wait", False))
        elif kind in {"stream", "display_data", "execute_result", "error"}:
            self._show(kind, content, request)

    def message_of(self, cell: int, kind: str, content: dict[str, Any], request: str) -> None:
        """Take a message of any cell so far, also one that is over, as a front end does."""
        now = self._cell, self._request
        self._cell, self._request = cell, request
        self.message(kind, content, request)
        self._cell, self._request = now

    def finished(self, cell: int) -> tuple[Output, ...]:
        """Return the outputs of ``cell``, stream texts joined."""
        return tuple(
            {**output, "text": "".join(output["text"])} if output["output_type"] == "stream" else output
            for output in self.cells[cell]
        )

    def _clear_by(self, request: str, *, wait: bool) -> None:
        area = self.displays.areas.taking(request)
        if area is None:
            self._clear(wait=wait)
        else:
            area.clear(wait=wait)

    def _clear(self, *, wait: bool) -> None:
        self._clear_next = wait
        if not wait:
            self.cells.setdefault(self._cell, []).clear()
            for places in self.displays.places.values():
                places[:] = [place for place in places if place[0] != self._cell]

    def _show(self, kind: str, content: dict[str, Any], request: str) -> None:
        display = (content.get("transient") or {}).get("display_id")
        if display:
            self._update(content)
        output = {"output_type": kind, **{key: value for key, value in content.items() if key != "transient"}}
        area = self.displays.areas.taking(request)
        if area is not None:
            area.add(output)
            return
        if self._clear_next:
            self._clear(wait=False)
        if kind == "stream":
            self._stream(output)
            return
        outputs = self.cells[self._cell]
        if display:
            self.displays.places.setdefault(display, []).append((self._cell, len(outputs)))
        outputs.append(output)

    def _stream(self, output: Output) -> None:
        """Append text to the cell's stdout or stderr, merging with what stands right before it."""
        outputs = self.cells[self._cell]
        if outputs and outputs[-1]["output_type"] == "stream" and outputs[-1]["name"] == output["name"]:
            outputs[-1]["text"].append(output["text"])
        else:
            outputs.append({**output, "text": [output["text"]]})

    def _update(self, content: dict[str, Any]) -> None:
        display = (content.get("transient") or {}).get("display_id")
        for cell, position in self.displays.places.get(str(display), []):
            change = {"data": content["data"], "metadata": content["metadata"]}
            if cell in self.cells and position < len(self.cells[cell]):
                self.cells[cell][position].update(change)
            else:
                self.updates.append({"cell": cell, "position": position, **change})
