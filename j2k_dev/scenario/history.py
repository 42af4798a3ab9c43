"""What is known of one run, put in order for ``rules``: what each worker told of each message that it took.

A worker may be killed after any of its words, so a tale may break off anywhere. All times are of one machine's clock,
in seconds since the epoch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING

from j2k_dev.worker.bus import Topics

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from j2k_dev.model.scenario import Publication, Struck
    from j2k_dev.worker.events import Event

# Told by whoever looks after workers, about them.
_ABOUT_WORKERS = {"worker-lost", "stuck"}
# After these, a worker is done with the message that it took.
CLOSING = {"forwarded", "retried", "abandoned"}
# While these last, workers can't write down what they have to tell.
_SILENCING = {"fill-exchange", "readonly-exchange"}
_KILLING = {"kill", "kill-container", "power-cut"}
# A worker of the local engine is named after its stage, its zygote and itself; pods are not called so.
_LOCAL_WORKER = re.compile(r".+-(\d+)-[0-9a-f]{6}")
# A fault is known to be made, or undone, only so exactly.
_UNSURE_SECONDS = 1.0


@dataclass(frozen=True)
class Turn:
    """What a worker told of one message, from the moment it took it on; not all of it, if it was killed.

    A message whose attempts are used up is told of by its ``dead-letter`` alone. ``since`` is when the worker last told
    anything before.
    """

    events: tuple[Event, ...]
    since: float = 0.0

    @property
    def worker(self) -> str:
        """Name the worker."""
        return self.events[0].worker

    @property
    def stage(self) -> str:
        """Name the stage."""
        return self.events[0].stage

    @property
    def attempt(self) -> int:
        """Return the number of the attempt that was made, or that the message named."""
        return self.events[0].attempt

    @property
    def began(self) -> float:
        """Return when the message was taken."""
        return self.events[0].time

    @property
    def last(self) -> float:
        """Return when anything was told last."""
        return self.events[-1].time

    def first(self, *names: str) -> Event | None:
        """Return the first event of that name, if it was told."""
        return next((event for event in self.events if event.event in names), None)

    @property
    def is_attempt(self) -> bool:
        """Say whether cells were to be run."""
        return not self.found_result and self.first("taken", "started") is not None

    @property
    def found_result(self) -> bool:
        """Say whether the stage had its result already when the message was taken."""
        return bool(self.events[0].event == "taken" and self.events[0].detail.get("published"))

    @property
    def outcome(self) -> str:
        """Return how it says to have ended, or nothing."""
        ended = self.first("ended")
        return "" if ended is None else str(ended.detail.get("outcome", ""))

    @property
    def is_closed(self) -> bool:
        """Say whether the worker was done with the message; it was cut off, or is at work, if not."""
        return self.first(*CLOSING) is not None

    @property
    def may_have_forwarded(self) -> bool:
        """Say whether the next message may have been sent: a worker can die, or be shut out, before it says so."""
        had_result = self.found_result or self.first("ended", "dead-letter") is not None
        return self.first("forwarded") is not None or (had_result and self.first("retried") is None)

    def __str__(self) -> str:
        """Say in words what it is a tale of."""
        return f"attempt {self.attempt} of stage {self.stage} ({self.worker})"


@dataclass(frozen=True)
class RunHistory:
    """Everything that is known of one run; each worker's events are in the order in which it told them.

    ``outcome`` is what j2k says: equal, different, unverified, raised or failed; None where the run never ended.
    ``publications`` are those on the exchange, each ``at`` its file's time of modification, which is never later than
    the moment from which it is seen. ``attempts`` are allowed per message; ``sent`` counts the messages that a scenario
    put on the bus by itself, by stage; ``adopted`` stages have the result of an earlier run; ``commands`` counts how
    often j2k was started for this run.
    """

    events: tuple[Event, ...]
    stages: tuple[str, ...]
    publications: tuple[Publication, ...]
    outcome: str | None
    attempts: int = 3
    sent: Mapping[str, int] = field(default_factory=dict)
    struck: tuple[Struck, ...] = ()
    adopted: tuple[str, ...] = ()
    commands: int = 1

    @cached_property
    def turns(self) -> tuple[Turn, ...]:
        """All turns of all workers, in order of time."""
        own = sorted((event for event in self.events if event.event not in _ABOUT_WORKERS), key=_teller)
        tales = (_turns(list(tale)) for _, tale in groupby(own, key=_teller))
        return tuple(sorted((turn for tale in tales for turn in tale), key=lambda turn: turn.began))

    def turns_of(self, stage: str) -> tuple[Turn, ...]:
        """Return the turns of one stage."""
        return tuple(turn for turn in self.turns if turn.stage == stage)

    def attempts_of(self, stage: str) -> tuple[Turn, ...]:
        """Return the turns of one stage in which cells were to be run."""
        return tuple(turn for turn in self.turns_of(stage) if turn.is_attempt)

    def publication(self, stage: str) -> Publication | None:
        """Return what a stage published."""
        return next((one for one in self.publications if one.stage == stage), None)

    def following(self, stage: str) -> str | None:
        """Name the stage after this one."""
        place = self.stages.index(stage) + 1
        return self.stages[place] if place < len(self.stages) else None

    def previous(self, stage: str) -> str | None:
        """Name the stage before this one."""
        place = self.stages.index(stage)
        return self.stages[place - 1] if place else None

    @cached_property
    def end_told(self) -> float:
        """When the run's end was first told on the results topic; infinite while nobody says that it was."""
        ends = (event.time for event in self.events if event.event == "forwarded" and self.tells_end(event))
        return min(ends, default=float("inf"))

    def tells_end(self, forwarded: Event) -> bool:
        """Say whether it was the results topic that something was sent to."""
        return any(_is_end(topic, self.stages) for topic in forwarded.detail.get("to", ()))

    def is_blind(self, since: float, until: float) -> bool:
        """Say whether workers could not write down everything in that time."""
        return any(
            one.fault in _SILENCING and since - _UNSURE_SECONDS <= _end_of(one) and one.at - _UNSURE_SECONDS <= until
            for one in self.struck
        )

    def was_stopped(self, turn: Turn) -> bool:
        """Say whether its worker was stopped (SIGSTOP), and may therefore have told anything late."""
        return any(one.fault == "stop" and one.worker == turn.worker and one.at <= turn.last for one in self.struck)

    def death(self, turn: Turn) -> float:
        """Return when the worker of a turn is known to have been dead; infinite where that is not known."""
        lost = [
            event.time
            for event in self.events
            if event.event == "worker-lost" and event.detail.get("worker") == turn.worker
        ]
        # A container that is started again has its pod's name: only the message that it had then is out of its hands.
        killed = [
            one.at + _UNSURE_SECONDS
            for one in self.struck
            if one.fault in _KILLING and (one.process, one.worker) == ("worker", turn.worker) and turn.began <= one.at
        ]
        return min([*lost, *killed], default=float("inf"))


def session_of(worker: str) -> str:
    """Name that within which a worker's attempts are counted: its zygote's life, nothing for pods."""
    match = _LOCAL_WORKER.fullmatch(worker)
    return match[1] if match else ""


def goes_to(stage: str, topic: str) -> bool:
    """Say whether a topic is a stage's, with the image's tag behind its name or without."""
    name = Topics("-").stage(stage).removeprefix("-")
    return topic.endswith(name) or f"{name}." in topic


def _is_end(topic: str, stages: Iterable[str]) -> bool:
    own = Topics("-").results.removeprefix("-")
    return topic.endswith(own) and not any(goes_to(stage, topic) for stage in stages)


def _end_of(struck: Struck) -> float:
    return struck.undone + _UNSURE_SECONDS if struck.undone else float("inf")


def _teller(event: Event) -> tuple[str, str]:
    return event.worker, event.stage


def _turns(tale: list[Event]) -> Iterable[Turn]:
    """Cut what a worker told of a stage into what it told of each message."""
    current: list[Event] = []
    since = 0.0
    for event in tale:
        if current and _begins(event, current):
            yield Turn(tuple(current), since)
            current, since = [], current[-1].time
        current.append(event)
    yield Turn(tuple(current), since)


def _begins(event: Event, current: list[Event]) -> bool:
    told = {before.event for before in current}
    buries = event.event == "dead-letter" and ("ended" not in told or bool(told & CLOSING))
    # Who lost a message says so of the attempt that the message named, which may be an earlier one.
    most = range(1, current[0].attempt + 1) if event.event == "abandoned" else (current[0].attempt,)
    return event.event == "taken" or buries or event.attempt not in most
