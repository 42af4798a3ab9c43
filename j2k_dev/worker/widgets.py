"""The front end's half of ipywidgets' ``Output``: outputs go into the widget instead of the cell while it is entered.

The widget says so over its channel (a comm), and expects to hear what was put into it once the cell is over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Output = dict[str, Any]


@dataclass
class Area:
    """One ``Output`` widget as the front end keeps it."""

    comm: str
    outputs: list[Output] = field(default_factory=list)
    request: str = ""
    clear_next: bool = False

    def add(self, output: Output) -> None:
        """Append an output; text joins the text right before it."""
        if self.clear_next:
            self.clear(wait=False)
        last = self.outputs[-1] if self.outputs else {}
        streams = last.get("output_type") == output["output_type"] == "stream"
        if streams and last["name"] == output["name"]:
            last["text"] += output["text"]
        else:
            self.outputs.append(dict(output))

    def clear(self, *, wait: bool) -> None:
        """Forget what is in it, now or before the next output."""
        self.clear_next = wait
        if not wait:
            self.outputs = []


@dataclass(frozen=True)
class Reply:
    """What the front end tells a widget: its new state."""

    comm: str
    state: dict[str, Any]


@dataclass
class Areas:
    """All ``Output`` widgets, which of them take the outputs of a request, and which have news for the kernel."""

    known: dict[str, Area] = field(default_factory=dict)
    entered: dict[str, list[str]] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)

    def message(self, kind: str, content: dict[str, Any]) -> None:
        """Take a message of a widget's channel."""
        name, state = content["comm_id"], (content.get("data") or {}).get("state") or {}
        if kind == "comm_open" and state.get("_model_name") == "OutputModel":
            self.known[name] = Area(name, list(state.get("outputs", ())))
        elif kind == "comm_close":
            self.known.pop(name, None)
        elif kind == "comm_msg" and name in self.known and "msg_id" in state:
            self._enter(self.known[name], state["msg_id"])

    def _enter(self, area: Area, request: str) -> None:
        if request:
            self.entered.setdefault(request, []).append(area.comm)
        elif area.comm in (stack := self.entered.get(area.request, [])):
            stack.remove(area.comm)
        area.request = request

    def taking(self, request: str) -> Area | None:
        """Return the widget that takes the outputs of a request; it will be told what it holds."""
        stack = self.entered.get(request)
        area = self.known.get(stack[-1]) if stack else None
        if area is not None:
            self.changed = [*(name for name in self.changed if name != area.comm), area.comm]
        return area

    def replies(self) -> list[Reply]:
        """Return, once, what the widgets have to be told."""
        changed, self.changed = self.changed, []
        return [Reply(name, {"outputs": self.known[name].outputs}) for name in changed if name in self.known]
