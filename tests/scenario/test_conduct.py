"""Conducting: workers are held until all that is to strike has, and whatever was struck is undone. All is made up."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.scenario import conduct
from j2k_dev.scenario.conduct import Conductor
from j2k_dev.scenario.ground import Fault, Ground, Proof
from j2k_dev.scenario.model import SCHEMA, Scenario, Strike
from j2k_dev.scenario.subject import Ended
from j2k_dev.worker.events import History, now
from j2k_dev.worker.exchange import Exchange
from j2k_dev.worker.holds import hold_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

RUN, STAGE, CELL = "a-run", "fit", 4


@dataclass
class Recorded(Fault):
    """A fault that does nothing but take note."""

    done: list[str] = field(default_factory=list)

    def strike(self) -> None:
        self.done.append(f"{self.asked.fault} strikes")

    def undo(self) -> None:
        self.done.append(f"{self.asked.fault} undone")

    def proof(self) -> Proof:
        return Proof(bit=True, told="seen", before={}, after={})


class Acted:
    """A subject that plays a run: one step each time it is asked whether it has ended."""

    def __init__(self, steps: Iterator[object]) -> None:
        self._steps = steps
        self.stopped = False

    def start(self) -> None:
        """Begin."""

    def ended(self) -> Ended | None:
        """Do the next step; it has ended when there is none."""
        return None if next(self._steps, self) is not self else Ended(0, {"verdict": "equal"})

    def stop(self) -> None:
        """Take note that it is to end."""
        self.stopped = True


@dataclass
class Stage:
    """A conductor with a run that is made up, and what was done to it."""

    exchange: Path
    done: list[str] = field(default_factory=list)

    @property
    def hold(self) -> Path:
        return hold_file(Exchange(self.exchange).holds(RUN), STAGE, "cell-started", CELL)

    def held(self, attempt: int = 1) -> None:
        history = History(Exchange(self.exchange).events(RUN), f"worker-{attempt}")
        history.append(now(f"worker-{attempt}", RUN, STAGE, attempt, "held", {"at": "cell-started", "cell": CELL}))
        history.close()

    def conductor(self, play: Callable[[Stage], Iterator[object]], *method: Strike) -> Conductor:
        unused: Any = None
        ground = Ground("local", RUN, self.exchange, (STAGE,), {STAGE: ((CELL, 1.0),)}, unused, unused, unused)
        subject: Any = Acted(play(self))
        scenario = Scenario(SCHEMA, "made up", method=method, timeout=5)
        return Conductor(scenario, ground, subject, STAGE, lambda _text: None)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    made = Stage(tmp_path)
    monkeypatch.setattr(conduct, "make", lambda ground, moment, asked: Recorded(ground, moment, asked, done=made.done))
    return made


def once(stage: Stage) -> Iterator[object]:
    stage.held()
    yield None


def test_a_worker_is_held_until_all_that_strikes_there_has(stage: Stage) -> None:
    def play(stage: Stage) -> Iterator[object]:
        stage.done.append("held" if stage.hold.exists() else "not held")
        stage.held()
        yield None
        stage.done.append("held" if stage.hold.exists() else "let go")
        yield None

    seen = stage.conductor(play, Strike("send-twice"), Strike("kill")).conduct()
    assert stage.done[:4] == ["held", "send-twice strikes", "kill strikes", "let go"]
    assert [one.fault for one in seen.struck] == ["send-twice", "kill"]
    assert seen.missed == ()


def test_what_would_strike_a_dead_worker_waits_for_the_next_one(stage: Stage) -> None:
    def play(stage: Stage) -> Iterator[object]:
        stage.held(1)
        yield None
        stage.done.append(f"the first is {'held' if stage.hold.exists() else 'let go'}")
        stage.held(2)
        yield None
        stage.done.append(f"the second is {'held' if stage.hold.exists() else 'let go'}")
        yield None

    seen = stage.conductor(play, Strike("kill"), Strike("stop")).conduct()
    assert stage.done[:4] == ["kill strikes", "the first is held", "stop strikes", "the second is let go"]
    assert [(one.fault, one.attempt) for one in seen.struck] == [("kill", 1), ("stop", 2)]


def test_a_strike_whose_point_never_came_is_told(stage: Stage) -> None:
    seen = stage.conductor(once, replace(Strike("kill"), times=2)).conduct()
    assert len(seen.struck) == 1
    assert seen.missed == ("kill fit, in cell 4",)
    assert not stage.hold.exists()


def test_whatever_interrupts_everything_is_undone_in_the_opposite_order(stage: Stage) -> None:
    def play(stage: Stage) -> Iterator[object]:
        stage.held()
        yield None
        raise KeyboardInterrupt

    conductor = stage.conductor(play, Strike("cut-network", seconds=60), Strike("pause-broker", seconds=60))
    with pytest.raises(KeyboardInterrupt):
        conductor.conduct()
    assert stage.done[2:] == ["pause-broker undone", "cut-network undone"]
    assert conductor.is_put_back
    assert not stage.hold.exists()
    assert getattr(conductor.subject, "stopped")  # noqa: B009 - of the one that is made up


def test_what_can_not_be_undone_does_not_keep_the_rest_from_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(fault: Recorded) -> None:
        fault.done.append(f"{fault.asked.fault} undone")
        if fault.asked.fault == "pause-broker":
            raise MachineryFailed("the broker is gone", "j2k sandbox up")

    monkeypatch.setattr(Recorded, "undo", fail)
    play = [Strike("cut-network", seconds=60), Strike("pause-broker", seconds=60)]
    conductor = stage.conductor(once, *play)
    seen = conductor.conduct()
    assert stage.done[2:] == ["pause-broker undone", "cut-network undone"]
    assert not conductor.is_put_back
    assert [one.told for one in seen.struck] == ["seen", "it could not be undone: the broker is gone"]
