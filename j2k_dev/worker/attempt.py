"""One attempt, watched: a child executes a message while its parent keeps the lease and the clock.

The outcome says what came of it; what follows from that is decided in ``parent``.
"""

from __future__ import annotations

import select
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from j2k_dev.worker.processes import is_stopped

if TYPE_CHECKING:
    from collections.abc import Callable

    from j2k_dev.worker.channel import Channel, Line
    from j2k_dev.worker.child import Child
    from j2k_dev.worker.processes import ChildSignals

BEAT_SECONDS = 1.0
# A process that somebody stopped (SIGSTOP) for so long will not go on by itself; a debugger's user may be quicker.
STOPPED_SECONDS = 5.0


@dataclass(frozen=True)
class Published:
    """The result is on the exchange: this attempt's, or that of the ``attempt`` that came first."""

    outcome: str
    how: str
    attempt: int


@dataclass(frozen=True)
class Lost:
    """The process ended without a result, or was ended; ``how`` is empty where only its end tells."""

    how: str


@dataclass(frozen=True)
class Blocked:
    """A cell ran longer than it may."""

    cell: int


@dataclass(frozen=True)
class Broken:
    """The machinery failed in a way that another attempt would not mend; ``stuck`` when not even the run may end."""

    message: str
    way_out: str
    refused: bool
    stuck: bool


@dataclass(frozen=True)
class Abandoned:
    """Not ours to finish: asked to stop, the zygote is gone, or the message is somebody else's by now."""

    how: str


Outcome = Published | Lost | Blocked | Broken | Abandoned


@dataclass
class Watch:
    """Waits for the end of one attempt; ``beat`` renews the lease, ``report`` passes on what the stage tells."""

    child: Child
    control: Channel
    signals: ChildSignals
    beat: Callable[[], bool]
    report: Callable[[str, dict[str, Any]], None]
    timeout: float | None = None
    _stopped_since: float | None = None
    _cell: int | None = None
    _cell_ends: float = field(default=float("inf"))
    _beat_due: float = field(default_factory=lambda: time.monotonic() + BEAT_SECONDS)

    def until_the_end(self) -> Outcome:
        """Watch until there is an outcome; the child may still be alive then."""
        while True:
            outcome = self._look()
            if outcome is not None:
                return outcome
            self._wait()

    def _wait(self) -> None:
        due = min(self._beat_due, self._cell_ends) - time.monotonic()
        readable = [self.control.descriptor, self.signals.descriptor]
        if not self.child.channel.closed:
            readable.append(self.child.channel.descriptor)
        if self.control.descriptor in select.select(readable, [], [], max(due, 0))[0]:
            self.control.receive()  # nothing is asked of a busy worker; what matters is the end of the channel
        self.signals.drain()

    def _look(self) -> Outcome | None:
        over = self.child.is_over()  # before reading, so that the last words of a child that ended are heard
        outcome = self._listen()
        if outcome is not None:
            return outcome
        if over:
            return Lost("")
        if self.signals.stop or self.control.closed:
            return Abandoned("asked to stop")
        if self._cell is not None and time.monotonic() >= self._cell_ends:
            return Blocked(self._cell)
        return self._keep_the_lease()

    def _keep_the_lease(self) -> Outcome | None:
        if time.monotonic() < self._beat_due:
            return None
        self._beat_due = time.monotonic() + BEAT_SECONDS
        self.control.send({"beat": True})
        if self._is_stopped():
            return Lost(f"stopped (SIGSTOP) for {STOPPED_SECONDS:g} s, and ended therefore")
        return None if self.beat() else Abandoned("the message was given to another worker")

    def _is_stopped(self) -> bool:
        """Tell whether the process has been stopped for so long that nobody will let it go on."""
        if not is_stopped(self.child.process):
            self._stopped_since = None
        elif self._stopped_since is None:
            self._stopped_since = time.monotonic()
        return self._stopped_since is not None and time.monotonic() - self._stopped_since > STOPPED_SECONDS

    def _listen(self) -> Outcome | None:
        for line in self.child.lines():
            if "published" in line:
                return Published(**line["published"])
            if "failed" in line:
                return Broken(**line["failed"])
            if "progress" in line:
                self._progress(line)
        return None

    def _progress(self, line: Line) -> None:
        event, detail = line["progress"], line["detail"]
        if event == "cell-started":
            self._cell = detail["cell"]
            self._cell_ends = time.monotonic() + self.timeout if self.timeout else float("inf")
        elif event == "cell-finished":
            self._cell, self._cell_ends = None, float("inf")
        self.report(event, detail)
