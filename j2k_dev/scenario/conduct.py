"""A scenario is done to a run: workers are held where faults are to strike, struck, let go, and watched."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.model.scenario import Struck
from j2k_dev.sandbox.up import engine_errors
from j2k_dev.scenario.faults.table import make
from j2k_dev.scenario.ground import Moment
from j2k_dev.scenario.model import ENDING, LASTING, whose
from j2k_dev.scenario.waiting import uninterrupted
from j2k_dev.worker.exchange import Exchange
from j2k_dev.worker.holds import hold_file
from j2k_dev.worker.tail import Tail

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from j2k_dev.scenario.ground import Fault, Ground
    from j2k_dev.scenario.model import Scenario, Strike
    from j2k_dev.scenario.subject import Ended, Subject
    from j2k_dev.worker.events import Event

_LOOK_SECONDS = 0.01
# The events that workers tell at the points that strikes name.
_EVENTS = {
    "taken": "taken",
    "cell": "cell-started",
    "ran": "ran",
    "snapshot": "writing-snapshot",
    "publication": "writing-result",
    "published": "ended",
    "forwarded": "forwarded",
}
_TWICE = 2


@dataclass(frozen=True)
class Seen:
    """What was seen of a scenario's run; ``ended`` is None where its time was over first. Times since the epoch.

    ``missed`` says of each fault that did not strike as often as it was to, in words, which one it is.
    """

    events: tuple[Event, ...]
    struck: tuple[Struck, ...]
    ended: Ended | None
    started: float
    finished: float
    missed: tuple[str, ...] = ()


@dataclass
class _Armed:
    """A strike that waits for its point: the file that holds the worker there, and how often it still strikes."""

    strike: Strike
    stage: str
    event: str
    cell: int | None
    file: Path
    left: int

    @property
    def place(self) -> tuple[str, str, int | None]:
        """Say where it strikes, as an event of a worker that is held tells it."""
        return self.stage, self.event, self.cell


@dataclass
class _Made:
    """A fault that was made, and when it has to be undone (0.0: at the end)."""

    armed: _Armed
    moment: Moment
    fault: Fault
    at: float
    due: float = 0.0
    undone: float = 0.0
    trouble: str = ""
    left: bool = False


@dataclass
class Conductor:
    """Conducts one scenario; ``stage`` is the one that strikes are meant for which name none."""

    scenario: Scenario
    ground: Ground
    subject: Subject
    stage: str
    note: Callable[[str], None]
    _armed: list[_Armed] = field(default_factory=list)
    _made: list[_Made] = field(default_factory=list)
    _events: list[Event] = field(default_factory=list)

    def conduct(self) -> Seen:
        """Start the run, strike, undo, and watch until it has ended; whatever happens, everything is undone."""
        started = time.time()
        tail = Tail(Exchange(self.ground.exchange).events(self.ground.run))
        try:
            self._arm()
            self.subject.start()
            ended = self._until_the_end(tail, time.monotonic() + self.scenario.timeout)
        finally:
            with uninterrupted():
                self._undo_all()
                self._disarm()
                self.subject.stop()
        finished = time.time()
        self._events += tail.new()
        missed = tuple(f"{it.strike.fault} {it.stage}, {_place(it)}" for it in self._armed if it.left)
        return Seen(tuple(self._events), tuple(map(self._struck, self._made)), ended, started, finished, missed)

    @property
    def is_put_back(self) -> bool:
        """Say whether everything that was struck is undone."""
        return all(made.undone and not made.left for made in self._made)

    # --- before -------------------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        for strike in self.scenario.method:
            stage = strike.stage or self.stage
            cell = self._cell(strike, stage) if strike.point == "cell" else None
            file = hold_file(Exchange(self.ground.exchange).holds(self.ground.run), stage, _EVENTS[strike.point], cell)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
            self._armed.append(_Armed(strike, stage, _EVENTS[strike.point], cell, file, strike.times))

    def _cell(self, strike: Strike, stage: str) -> int:
        """Choose the cell at whose start to strike."""
        cells = self.ground.cells[stage]
        if strike.cell == "middle":
            return cells[len(cells) // _TWICE][0]
        if strike.cell.endswith("%"):
            return _running_at(cells, int(strike.cell[:-1]) / 100)
        return cells[min(int(strike.cell), len(cells)) - 1][0]

    # --- while it runs ------------------------------------------------------------------------------------------------

    def _until_the_end(self, tail: Tail, deadline: float) -> Ended | None:
        while time.monotonic() < deadline:
            for event in tail.new():
                self._events.append(event)
                self._heed(event)
            self._undo_due()
            ended = self.subject.ended()
            if ended is not None and not self._called_again(ended):
                return ended
            time.sleep(_LOOK_SECONDS)  # the exchange may be a network share, which tells nobody of changes
        return None

    def _heed(self, event: Event) -> None:
        if event.event != "held":
            return
        place = (event.stage, event.detail.get("at"), event.detail.get("cell"))
        here = [armed for armed in self._armed if armed.place == place]
        for armed in here:
            if armed.left:
                self._strike(armed, event)
                armed.left -= 1
                if armed.strike.fault in ENDING:
                    break
        if here and not any(armed.left for armed in here):
            here[0].file.unlink(missing_ok=True)

    def _strike(self, armed: _Armed, held: Event) -> None:
        moment = self._moment(armed, held)
        made = _Made(armed, moment, make(self.ground, moment, armed.strike), time.time())
        self._made.append(made)
        self.note(f"{armed.strike.fault} {armed.stage}, {_place(armed)}")
        try:
            with engine_errors():
                made.fault.strike()
        except MachineryFailed as error:
            made.trouble = f"it could not be made: {error.message}"
        made.at = made.fault.at or made.at
        if armed.strike.fault in LASTING:
            made.due = time.time() + armed.strike.seconds

    def _moment(self, armed: _Armed, held: Event) -> Moment:
        own = [event for event in self._events if (event.worker, event.attempt) == (held.worker, held.attempt)]
        numbers = {event.event: int(event.detail.get("process", 0)) for event in own if "process" in event.detail}
        return Moment(
            armed.stage, held.worker, held.attempt, armed.strike.point,
            worker_process=numbers.get("taken", 0), cells_process=numbers.get("started", 0),
        )  # fmt: skip

    def _called_again(self, ended: Ended) -> bool:
        """Call j2k again where it was the scenario that killed it."""
        if ended.code >= 0 or not any(made.armed.strike.fault == "kill-j2k" for made in self._made):
            return False
        self.subject.start()
        return True

    # --- undoing ------------------------------------------------------------------------------------------------------

    def _undo_due(self) -> None:
        for made in self._made:
            if made.due and not made.undone and time.time() >= made.due:
                self._undo(made)

    def _undo_all(self) -> None:
        for made in reversed(self._made):
            if not made.undone:
                self._undo(made)

    def _undo(self, made: _Made) -> None:
        try:
            with engine_errors():
                made.fault.undo()
        except MachineryFailed as error:
            made.trouble, made.left = f"it could not be undone: {error.message}", True
        made.undone = time.time()

    def _disarm(self) -> None:
        for armed in self._armed:
            armed.file.unlink(missing_ok=True)
            with suppress(OSError):  # others of them may still be in it
                armed.file.parent.rmdir()

    def _struck(self, made: _Made) -> Struck:
        proof = made.fault.proof() if not made.trouble else None
        strike = made.armed.strike
        struck = Struck(
            strike.fault, made.moment.stage, _place(made.armed), made.moment.attempt, made.moment.worker, made.at,
            {}, {}, bit=False, told=made.trouble, undone=made.undone if strike.fault in LASTING else 0.0,
            process=whose(strike),
        )  # fmt: skip
        if proof is None:
            return struck
        return replace(struck, before=proof.before, after=proof.after, bit=proof.bit, told=proof.told)


def _running_at(cells: tuple[tuple[int, float], ...], share: float) -> int:
    """Return the cell that runs when a share of the time of all is over."""
    due = share * sum(seconds for _, seconds in cells)
    over = 0.0
    for cell, seconds in cells:
        over += seconds
        if over >= due:
            return cell
    return cells[-1][0]


def _place(armed: _Armed) -> str:
    """Say in words where it strikes."""
    words = {
        "taken": "when its message is taken",
        "cell": f"in cell {armed.cell}",
        "ran": "when its cells ran, before anything is published",
        "snapshot": "while its snapshot is half written",
        "publication": "while its publication is half written",
        "published": "between publishing and passing on",
        "forwarded": "after passing on, before the next message",
    }
    return words[armed.strike.point]
