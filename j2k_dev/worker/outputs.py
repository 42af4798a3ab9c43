"""The outputs of cells as Jupyter's front end keeps them: streams merged, displays updated, outputs cleared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Output = dict[str, Any]


@dataclass
class Displays:
    """Where each ``display_id`` was shown: (cell, position), so that a later update finds it, in any stage."""

    places: dict[str, list[tuple[int, int]]] = field(default_factory=dict)


class Collector:
    """Collects the outputs of one cell at a time from the messages that Jupyter's kernel would send."""

    def __init__(self) -> None:
        self.displays = Displays()
        self.updates: list[Output] = []
        self.cells: dict[int, list[Output]] = {}
        self._cell = -1
        self._clear_next = False
        self.captured_by = ""

    def start(self, cell: int) -> None:
        """Begin to collect for ``cell``."""
        self._cell = cell
        self._clear_next = False
        self.cells[cell] = []

    def stream(self, name: str, text: str) -> None:
        """Append text to the cell's stdout or stderr, merging with what stands right before it."""
        outputs = self._open()
        if outputs and outputs[-1]["output_type"] == "stream" and outputs[-1]["name"] == name:
            outputs[-1]["text"].append(text)
        else:
            outputs.append({"output_type": "stream", "name": name, "text": [text]})

    def message(self, kind: str, content: dict[str, Any]) -> None:
        """Take a message of the kernel protocol."""
        if kind == "clear_output":
            self._clear(wait=content.get("wait", False))
        elif kind == "update_display_data":
            self._update(content)
        elif kind in {"display_data", "execute_result", "error"}:
            self._append(kind, content)

    def finished(self, cell: int) -> tuple[Output, ...]:
        """Return the outputs of ``cell``, stream texts joined."""
        return tuple(
            {**output, "text": "".join(output["text"])} if output["output_type"] == "stream" else output
            for output in self.cells[cell]
        )

    def _open(self) -> list[Output]:
        if self.captured_by:
            return []
        if self._clear_next:
            self._clear(wait=False)
        return self.cells.setdefault(self._cell, [])

    def _clear(self, *, wait: bool) -> None:
        self._clear_next = wait
        if not wait:
            self.cells.setdefault(self._cell, []).clear()
            for places in self.displays.places.values():
                places[:] = [place for place in places if place[0] != self._cell]

    def _append(self, kind: str, content: dict[str, Any]) -> None:
        outputs = self._open()
        transient = content.get("transient") or {}
        if display := transient.get("display_id"):
            self._update(content)
            self.displays.places.setdefault(display, []).append((self._cell, len(outputs)))
        output = {"output_type": kind, **{key: value for key, value in content.items() if key != "transient"}}
        outputs.append(output)

    def _update(self, content: dict[str, Any]) -> None:
        display = (content.get("transient") or {}).get("display_id")
        for cell, position in self.displays.places.get(str(display), []):
            change = {"data": content["data"], "metadata": content["metadata"]}
            if cell in self.cells and position < len(self.cells[cell]):
                self.cells[cell][position].update(change)
            else:
                self.updates.append({"cell": cell, "position": position, **change})
