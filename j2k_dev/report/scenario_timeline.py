"""A scenario's run as places on a line: attempts with their cells, publications, faults and what came after them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from j2k_dev.report.timeline import OUTCOMES, Clock, Mark
from j2k_dev.report.units import cell_name, human_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from j2k_dev.model.scenario import ScenarioResult, Struck

_THINNEST = 0.4  # per cent: shorter ones stay visible
_ROOM_FOR_NUMBER = 2.2  # per cent that a cell's number needs
_ROOM_FOR_PIN = 4.0  # per cent
_AT_WORK = {"started", "cell-started"}
_SAID = {**OUTCOMES, "abandoned": "given up", "silent": "not heard of again"}

Line = dict[str, Any]


@dataclass(frozen=True)
class Span:
    """Something with a length; ``left`` and ``width`` in per cent of the line."""

    left: float
    width: float
    kind: str
    text: str
    label: str = ""


@dataclass(frozen=True)
class Lane:
    """One attempt of one stage; ``marks`` are moments in it as (kind, place).

    ``run`` counts the runs: where a result has to be made anew, j2k makes another one.
    """

    stage: str
    run: int
    number: int
    hue: int
    bar: Span
    cells: tuple[Span, ...]
    marks: tuple[tuple[str, Mark], ...]
    seconds: float


@dataclass(frozen=True)
class ScenarioTimeline:
    """All lanes on one line of time, and what crosses all of them."""

    lanes: tuple[Lane, ...]
    faults: tuple[Span, ...]
    recovery: Span | None
    violations: tuple[Mark, ...]
    fault_pins: tuple[Mark, ...]
    violation_pins: tuple[Mark, ...]
    ticks: tuple[Mark, ...]

    @property
    def noted(self) -> tuple[Lane, ...]:
        """List the attempts that words are due to: of stages with several, and those that published nothing."""
        several = {lane.stage for lane in self.lanes if (lane.run, lane.number) > (1, 1)}
        return tuple(lane for lane in self.lanes if lane.stage in several or lane.bar.kind != "published")


@dataclass(frozen=True)
class _Attempt:
    """What is known of one attempt."""

    stage: str
    run: int
    number: int
    own: tuple[Line, ...]
    ended: float
    outcome: str
    how: str


def scenario_timeline(result: ScenarioResult) -> ScenarioTimeline | None:
    """Lay out a scenario's run; None where nothing was heard of it."""
    events = sorted(result.events, key=lambda line: line["time"])
    attempts = [attempt for tale in result.stages for attempt in _attempts(tale.stage, events)]
    if not attempts:
        return None
    clock = _clock(result, attempts)
    hues = {tale.stage: number for number, tale in enumerate(result.stages)}
    faults = tuple(_fault(result, number, clock) for number in range(len(result.struck)))
    violations = tuple(sorted(_violations(result, clock), key=lambda mark: mark.left))
    return ScenarioTimeline(
        tuple(_lane(attempt, hues[attempt.stage], attempts, result.struck, clock) for attempt in attempts),
        faults,
        _recovery(result, clock),
        violations,
        _pins(Mark(fault.left, fault.label) for fault in sorted(faults, key=lambda fault: fault.left)),
        _pins(violations),
        clock.ticks(),
    )


def progress_time(result: ScenarioResult) -> float | None:
    """Tell when the first progress after the last fault was seen, in seconds since the epoch; None without proof."""
    if result.recovery is None or not result.struck or result.verdict == "invalid":
        return None
    return max(struck.at for struck in result.struck) + result.recovery


def _clock(result: ScenarioResult, attempts: Sequence[_Attempt]) -> Clock:
    moments = [attempt.own[0]["time"] for attempt in attempts] + [attempt.ended for attempt in attempts]
    moments += [line["time"] for line in result.events] + [struck.at for struck in result.struck]
    moments += [] if (progress := progress_time(result)) is None else [progress]
    return Clock([(min(moments), max(moments))])  # one span: a pause here is what was waited for, never cut short


def _attempts(stage: str, events: Sequence[Line]) -> Iterable[_Attempt]:
    runs = dict.fromkeys(line["run"] for line in events)
    for run, name in enumerate(runs, 1):
        story = [line for line in events if (line["run"], line["stage"]) == (name, stage)]
        for number in sorted({line["attempt"] for line in story if line["attempt"]}):
            work = [line for line in story if line["attempt"] == number and line["event"] in _AT_WORK]
            if work:  # else somebody only passed on what was published before
                yield _attempt(run, number, work[0]["worker"], story)


def _attempt(run: int, number: int, worker: str, story: Sequence[Line]) -> _Attempt:
    own = tuple(line for line in story if line["attempt"] == number and line["worker"] == worker)
    return _Attempt(own[0]["stage"], run, number, own, *_end(own, story))


def _end(own: Sequence[Line], story: Sequence[Line]) -> tuple[float, str, str]:
    """Tell when an attempt ended, with what outcome, and how."""
    for line in own:
        if line["event"] in {"ended", "abandoned"}:
            outcome = line["detail"].get("outcome", "lost") if line["event"] == "ended" else "abandoned"
            return line["time"], outcome, str(line["detail"].get("how", ""))
    for line in story:
        if line["event"] == "worker-lost" and line["detail"].get("worker") == own[0]["worker"]:
            return line["time"], "lost", str(line["detail"].get("how", ""))
    return own[-1]["time"], "silent", ""


def _lane(attempt: _Attempt, hue: int, attempts: Sequence[_Attempt], struck: Iterable[Struck], clock: Clock) -> Lane:
    before = [other for other in attempts[: attempts.index(attempt)] if other.stage == attempt.stage]
    known = {line["detail"].get("cell") for other in before for line in other.own if line["event"] == "cell-started"}
    me = (attempt.stage, attempt.number, attempt.own[0]["worker"])
    hits = [fault.at for fault in struck if (fault.stage, fault.attempt, fault.worker) == me]
    began = attempt.own[0]["time"]
    return Lane(
        attempt.stage,
        attempt.run,
        attempt.number,
        hue,
        _span(clock, began, attempt.ended, attempt.outcome, _told(attempt)),
        tuple(_cells(attempt, known, clock)),
        (*_marks(attempt, clock), *(("hit", Mark(round(clock.place(at), 2), "struck here")) for at in hits)),
        attempt.ended - began,
    )


def _told(attempt: _Attempt) -> str:
    took = human_seconds(attempt.ended - attempt.own[0]["time"])
    how = f" ({attempt.how})" if attempt.how else ""
    run = f"run {attempt.run}, " if attempt.run > 1 else ""
    return f"{run}attempt {attempt.number}: {_SAID.get(attempt.outcome, attempt.outcome)} after {took}{how}"


def _cells(attempt: _Attempt, known: set[Any], clock: Clock) -> Iterable[Span]:
    starts = {line["detail"].get("cell"): line["time"] for line in attempt.own if line["event"] == "cell-started"}
    ends = {line["detail"].get("cell"): line["time"] for line in attempt.own if line["event"] == "cell-finished"}
    last = next(reversed(starts), None)
    for cell, began in starts.items():
        end = ends.get(cell, attempt.ended)
        if attempt.outcome == "raised" and cell == last:
            kind = "raised"
        else:
            kind = "cut" if cell not in ends else "again" if cell in known else "done"
        yield _cell(cell, kind, _span(clock, began, end, kind, ""), end - began)


def _cell(cell: Any, kind: str, span: Span, seconds: float) -> Span:
    said = {"cut": "did not end", "raised": "raised", "again": "run again", "done": ""}[kind]
    text = f"{cell_name(cell)}: {human_seconds(seconds)}{f', {said}' if said else ''}"
    return Span(span.left, span.width, kind, text, str(cell) if span.width >= _ROOM_FOR_NUMBER else "")


def _marks(attempt: _Attempt, clock: Clock) -> Iterable[tuple[str, Mark]]:
    for line in attempt.own:
        detail, place = line["detail"], round(clock.place(line["time"]), 2)
        if line["event"] == "ended" and detail.get("outcome") in {"published", "raised"}:
            if detail.get("published") in {None, 0, attempt.number}:
                yield "published", Mark(place, f"published by attempt {attempt.number}")
        elif line["event"] == "forwarded":
            yield "forwarded", Mark(place, f"passed on to {_listed(detail)}")


def _listed(detail: Mapping[str, Any]) -> str:
    return ", ".join(map(str, detail.get("to", ()))) or "nobody"


def _fault(result: ScenarioResult, number: int, clock: Clock) -> Span:
    struck = result.struck[number]
    lasted = f", undone after {human_seconds(struck.undone - struck.at)}" if struck.undone else ""
    text = f"{struck.fault.replace('-', ' ')}{lasted}"
    kind = "lasting" if struck.undone else "moment"
    return _span(clock, struck.at, struck.undone or struck.at, kind, text, str(number + 1))


def _recovery(result: ScenarioResult, clock: Clock) -> Span | None:
    progress = progress_time(result)
    if progress is None or result.recovery is None:
        return None
    text = f"first progress {human_seconds(result.recovery)} after the fault"
    return _span(clock, progress - result.recovery, progress, "recovery", text)


def _violations(result: ScenarioResult, clock: Clock) -> Iterable[Mark]:
    for number, violation in enumerate(result.violations):
        for moment in violation.times:
            yield Mark(round(clock.place(moment), 2), letter(number))


def _pins(marks: Iterable[Mark]) -> tuple[Mark, ...]:
    """Join names that would cover one another."""
    pins: list[Mark] = []
    for mark in marks:
        if pins and mark.left - pins[-1].left < _ROOM_FOR_PIN:
            pins[-1] = Mark(pins[-1].left, f"{pins[-1].text} {mark.text}")
        else:
            pins.append(mark)
    return tuple(pins)


def letter(number: int) -> str:
    """Name a violation: A, B, … Z, A1, …."""
    round_, place = divmod(number, 26)
    return f"{chr(ord('A') + place)}{round_ or ''}"


def _span(clock: Clock, start: float, end: float, kind: str, text: str, label: str = "") -> Span:
    left = min(clock.place(start), 100 - _THINNEST)
    width = max(clock.place(end) - left, _THINNEST)
    return Span(round(left, 2), round(width, 2), kind, text, label)
