"""Signals to a worker or to the process that runs its cells: on this machine, or inside a node of the sandbox."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from j2k_dev.scenario.faults.pods import Container
from j2k_dev.scenario.ground import Fault, Proof
from j2k_dev.scenario.waiting import within

_SIGNALS = {
    "kill": signal.SIGKILL,
    "terminate": signal.SIGTERM,
    "stop": signal.SIGSTOP,
    "interrupt": signal.SIGINT,
    "kill-container": signal.SIGKILL,
}
_EFFECT_SECONDS = 5.0
_GONE, _STOPPED = "gone", "stopped"
# A container's first process, by its number inside: with it the container ends.
_FIRST = 1
# Where a process's state has the time of its beginning, in the kernel's ticks.
_BORN = 19


class Process(Protocol):
    """A process somewhere."""

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; one that is gone hears nothing."""

    def state(self) -> str:
        """Say what it does: ``running``, ``stopped`` or ``gone``."""


@dataclass(frozen=True)
class OwnProcess:
    """A process of this machine; ``born`` tells it from another one that gets its number later."""

    number: int
    born: str

    @classmethod
    def of(cls, number: int) -> OwnProcess:
        """Take note of a process."""
        fields = _stat(number)
        return cls(number, fields[_BORN] if fields else "")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self.state() != _GONE:
            with suppress(ProcessLookupError):
                os.kill(self.number, number)

    def state(self) -> str:
        """Say what it does."""
        fields = _stat(self.number)
        if not fields or fields[_BORN] != self.born:
            return _GONE
        return {"T": _STOPPED, "Z": _GONE}.get(fields[0], "running")


@dataclass(frozen=True)
class PodProcess:
    """A process in a pod, by its number inside the container."""

    container: Container
    number: int

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, from the node."""
        self.container.in_node(f'{self._found()}; [ -z "$p" ] || kill -{number.value} $p')

    def state(self) -> str:
        """Say what it does."""
        letter = self.container.in_node(
            f'{self._found()}; [ -z "$p" ] || sed "s/.*) //" /proc/$p/stat 2>/dev/null | cut -c1'
        ).strip()
        return {"": _GONE, "T": _STOPPED, "Z": _GONE}.get(letter, "running")

    def _found(self) -> str:
        return f"p=$({self.container.host_number(self.number)})"


@dataclass
class Signal(Fault):
    """Sends a signal to the cells' process, to the worker or to the first process of its container."""

    process: Process | None = None
    container: Container | None = None

    def strike(self) -> None:
        """Send it, and see what becomes of the process."""
        number = self._number()
        self.process = self._process(number)
        self.before = {"process": str(number), "state": self.process.state(), **self._container_facts()}
        self.begins()
        self.process.signal(_SIGNALS[self.asked.fault])
        wanted = _STOPPED if self.asked.fault == "stop" else _GONE
        if self.asked.fault in {"kill", "kill-container", "stop"}:
            within(_EFFECT_SECONDS, lambda: self.process is not None and self.process.state() == wanted)
        self.after = {"process": str(number), "state": self.process.state()}

    def undo(self) -> None:
        """Let a process go on that is still stopped: nothing stays behind."""
        if self.process is not None and self.asked.fault == "stop":
            self.process.signal(signal.SIGCONT)

    def proof(self) -> Proof:
        """Say what was seen of the process, and of its container."""
        container = self._container_facts()
        after = {**self.after, **container}
        name, process = _SIGNALS[self.asked.fault].name, f"process {self.before['process']}"
        there = self.before["state"] == "running"
        if self.asked.fault in {"kill", "kill-container", "stop"}:
            bit = there and self.after["state"] in {_GONE, _STOPPED}
            return Proof(bit, f"{process} was {self.before['state']}, and {self.after['state']} after {name}",
                         self.before, after)  # fmt: skip
        return Proof(there, f"{process} was {self.before['state']} when it got {name}", self.before, after)

    def _number(self) -> int:
        if self.asked.fault == "kill-container":
            return _FIRST
        return self.moment.cells_process if self.asked.process == "cells" else self.moment.worker_process

    def _process(self, number: int) -> Process:
        if self.ground.cluster is None:
            return OwnProcess.of(number)
        self.container = Container.of(self.ground.cluster, self.moment.worker)
        return PodProcess(self.container, number)

    def _container_facts(self) -> dict[str, str]:
        return self.container.facts() if self.container else {}


def _stat(number: int) -> list[str]:
    """Return what the kernel tells of a process after its name, read at once; nothing for one that is gone."""
    try:
        return Path(f"/proc/{number}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return []
