"""The verdict on a scenario: what was expected, held against what was seen. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from j2k_dev.model.scenario import Check, StageTale
from j2k_dev.report.units import human_seconds
from j2k_dev.scenario.rules import violations

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from j2k_dev.model.scenario import Struck, Verdict, Violation
    from j2k_dev.scenario.conduct import Seen
    from j2k_dev.scenario.history import RunHistory
    from j2k_dev.scenario.model import Expected
    from j2k_dev.worker.events import Event

# What a worker tells when a run has come further.
_PROGRESS = {"taken", "started", "restored", "cell-started", "cell-finished", "ran", "writing-result", "forwarded"}
_RECOVERY = "recovery"


@dataclass(frozen=True)
class Judged:
    """A verdict, why, and what it rests on; ``recovery`` in seconds, None where nothing went on."""

    verdict: Verdict
    why: str
    recovery: float | None
    checks: tuple[Check, ...]
    stages: tuple[StageTale, ...]
    violations: tuple[Violation, ...]


@dataclass(frozen=True)
class OnBus:
    """What the bus has of a run that has ended: messages by stage that nobody acknowledged, and its dead letters."""

    unfinished: tuple[str, ...]
    letters: int


def judge(
    expected: Expected, seen: Seen, histories: Sequence[RunHistory], unsteady: str, on_bus: OnBus | None = None
) -> Judged:
    """Judge a scenario's run, and those that j2k made in its place; ``unsteady`` says what is not well afterwards.

    ``on_bus`` is None where the bus goes with the run.
    """
    recovery = recovery_of(seen, histories)
    broken = tuple(found for history in histories for found in violations(history))
    stages = _stages(histories)
    checks = (
        _outcome(expected, seen),
        _recovery(expected, recovery),
        *_attempts(expected, stages),
        *(() if expected.outcome == "equal-or-failed" else (_letters(expected, seen.events, on_bus),)),
        *(() if on_bus is None or _may_be_gone_on_with(seen) else (_offsets(on_bus),)),
        _promises(broken),
        Check("afterwards", "everything as before", unsteady or "everything as before", not unsteady),
    )
    verdict, why = _verdict(seen, checks)
    return Judged(verdict, why, recovery, checks, stages, broken)


def recovery_of(seen: Seen, histories: Sequence[RunHistory]) -> float | None:
    """Return the seconds from the last fault to the first progress after it, or to the run's end if none was left.

    What an attempt does that comes to nothing is no progress.
    """
    struck = max((one.at for one in seen.struck), default=None)
    if struck is None:
        return None
    lost = {key for history in histories for key in _lost(history)}
    events = [event for history in histories for event in history.events if _attempt(event) not in lost]
    later = [event.time for event in events if event.time > struck and _is_progress(event)]
    if later:
        return min(later) - struck
    return seen.finished - struck if seen.ended is not None else None


def _lost(history: RunHistory) -> set[tuple[str, str, str, int]]:
    """Name the attempts that came to nothing: what they were to do was done by another one, or by nobody."""
    counted = {(one.stage, one.attempt) for one in history.publications if one.outcome != "lost"}
    return {
        _attempt(event)
        for event in history.events
        if event.attempt and event.event == "started" and (event.stage, event.attempt) not in counted
    }


def _attempt(event: Event) -> tuple[str, str, str, int]:
    return event.run, event.stage, event.worker, event.attempt


def _is_progress(event: Event) -> bool:
    return event.event in _PROGRESS or (event.event == "ended" and event.detail.get("outcome") != "lost")


def _verdict(seen: Seen, checks: Iterable[Check]) -> tuple[Verdict, str]:
    idle = [one for one in seen.struck if not one.bit]
    if idle or not seen.struck:
        told = "; ".join(_idle(one) for one in idle) or "the run never came to the point where the fault was to strike"
        return "invalid", told
    failed = [check for check in checks if not check.holds]
    late = [check.what for check in failed] == [_RECOVERY]
    told = "; ".join(f"{check.what}: {check.seen}, and not {check.expected}" for check in failed)
    if failed and not late:
        return "broken", told
    if seen.missed:
        return "invalid", f"the run never came to {'; '.join(seen.missed)}"
    return ("survived late" if late else "survived"), told


def _idle(struck: Struck) -> str:
    return f"{struck.fault} {struck.point} of {struck.stage} proves nothing: {struck.told}"


# --- what was expected, one by one ------------------------------------------------------------------------------------


def _outcome(expected: Expected, seen: Seen) -> Check:
    wanted = {
        "equal": "equal to the notebook's",
        "raised": "the notebook's exception",
        "failed": "a run that failed by name",
        "equal-or-failed": "equal to the notebook's, or a run that failed by name",
    }
    if seen.ended is None:
        return Check("results", wanted[expected.outcome], "none when the time was over", holds=False)
    outcome, message = seen.ended.outcome, seen.ended.message
    told = wanted.get(outcome, f"{outcome} from the notebook's")
    told = f"{told} ({message})" if message else told
    named = outcome != "failed" or bool(message)
    return Check("results", wanted[expected.outcome], told, holds=outcome in expected.outcome.split("-or-") and named)


def _recovery(expected: Expected, recovery: float | None) -> Check:
    bound = f"{expected.recovery_seconds} s or less"
    told = "nothing went on" if recovery is None else human_seconds(recovery)
    return Check(_RECOVERY, bound, told, holds=recovery is not None and recovery <= expected.recovery_seconds)


def _attempts(expected: Expected, stages: Iterable[StageTale]) -> Iterable[Check]:
    most = max(stages, key=lambda tale: tale.attempts, default=StageTale("", 0, 0))
    told = ("1 each" if most.attempts == 1 else f"{most.attempts} of {most.stage}") if most.stage else "none"
    yield Check("attempts", f"{expected.attempts} of a stage at most", told, holds=most.attempts <= expected.attempts)


def _letters(expected: Expected, events: Iterable[Event], on_bus: OnBus | None) -> Check:
    told = sum(event.event == "dead-letter" for event in events)
    there = told if on_bus is None else on_bus.letters
    wanted, found = str(expected.dead_letters or "none"), str(told or "none")
    if told != there:
        found = f"{found} told of, and {there or 'none'} in the topic"
    return Check("dead letters", wanted, found, holds=told == there == expected.dead_letters)


def _may_be_gone_on_with(seen: Seen) -> bool:
    """Say whether a worker may have left its message where it is, for after a repair."""
    return seen.ended is None or seen.ended.outcome == "failed"


def _offsets(on_bus: OnBus) -> Check:
    left = ", ".join(f"{count} of {stage}" for stage, count in Counter(on_bus.unfinished).items())
    wanted = "all are acknowledged"
    return Check("messages", wanted, f"nobody acknowledged {left}" if left else wanted, holds=not left)


def _promises(broken: Sequence[Violation]) -> Check:
    told = "; ".join(dict.fromkeys(f"{found.rule}: {found.told}" for found in broken))
    wanted = "nothing lost, nothing double"
    return Check("history", wanted, told or wanted, holds=not broken)


def _stages(histories: Sequence[RunHistory]) -> tuple[StageTale, ...]:
    names = dict.fromkeys(stage for history in histories for stage in history.stages)
    return tuple(_tale(stage, histories) for stage in names)


def _tale(stage: str, histories: Sequence[RunHistory]) -> StageTale:
    own = [event for history in histories for event in history.events if event.stage == stage]
    runs = Counter(event.detail.get("cell") for event in own if event.event == "cell-started")
    attempts = sum(event.event == "started" for event in own)
    return StageTale(stage, attempts, sum(times - 1 for times in runs.values()))
