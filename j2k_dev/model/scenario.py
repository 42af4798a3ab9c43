"""What was seen of a pipeline that was broken on purpose, and the verdict on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Outcome = Literal["equal", "raised", "failed", "equal-or-failed"]
Verdict = Literal["survived", "survived late", "broken", "invalid"]


@dataclass(frozen=True)
class Struck:
    """A fault that was made: when, to whom, and the proof.

    ``before`` and ``after`` are what was seen of what it changes (process, container, restarts, exit code, bytes …);
    ``bit`` says whether that proves that it happened, and ``told`` in words what was seen. Times in seconds since the
    epoch; ``undone`` is 0.0 where there is nothing to undo. ``process`` is what a signal went to: ``cells`` or
    ``worker``.
    """

    fault: str
    stage: str
    point: str
    attempt: int
    worker: str
    at: float
    before: dict[str, str]
    after: dict[str, str]
    bit: bool
    told: str
    undone: float = 0.0
    process: str = ""


@dataclass(frozen=True)
class Publication:
    """What the exchange has of one stage: which attempt published, when, and how it ended (``outcome_of``)."""

    stage: str
    attempt: int
    at: float
    outcome: str


@dataclass(frozen=True)
class Violation:
    """A promise that the history of a run shows to be broken: which rule, and what was seen.

    ``promise`` is the rule in a sentence.
    """

    rule: str
    told: str
    times: tuple[float, ...] = ()
    promise: str = ""


@dataclass(frozen=True)
class Check:
    """One expectation and what came of it."""

    what: str
    expected: str
    seen: str
    holds: bool


@dataclass(frozen=True)
class StageTale:
    """A stage of a scenario's run: its attempts, and how many of the cells it ran were run before (recomputed)."""

    stage: str
    attempts: int
    recomputed_cells: int


@dataclass(frozen=True)
class ScenarioResult:
    """The verdict on one scenario, with all that it rests on. Times in seconds since the epoch, and in seconds.

    ``recovery`` is the time from the (last) fault to the first progress after it, None where none came;
    ``recovery_allowed`` how long it may be. ``events`` is the history of the run, each the plain form of an event:
    time, worker, stage, attempt, event, detail. ``logs`` are the last lines of each log by its name. ``report`` is the
    run's own page, from the workspace, if it has one.
    """

    scenario: str
    title: str
    shows: str
    engine: str
    notebook: str
    run: str
    verdict: Verdict
    why: str
    started: float
    seconds: float
    recovery: float | None
    struck: tuple[Struck, ...]
    checks: tuple[Check, ...]
    stages: tuple[StageTale, ...]
    violations: tuple[Violation, ...] = ()
    events: tuple[dict[str, Any], ...] = ()
    logs: dict[str, str] = field(default_factory=dict)
    recovery_allowed: float | None = None
    report: str = ""


@dataclass(frozen=True)
class NotRun:
    """A scenario that does not fit what is at hand, or that ``failed`` to be run; ``why`` says what it needs."""

    scenario: str
    title: str
    why: str
    failed: bool = False


@dataclass(frozen=True)
class Listed:
    """A scenario that there is: the engines that can do it, what it needs beside, and the latest verdict, if any.

    ``at`` in seconds since the epoch; ``stale`` says what has changed since, in words.
    """

    scenario: str
    title: str
    engines: tuple[str, ...]
    needs: str
    verdict: str = ""
    at: float = 0.0
    stale: tuple[str, ...] = ()
