"""When each attempt of each stage ran, as places on a line; a long pause (a night switched off) is cut short."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from j2k_dev.report.units import human_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from j2k_dev.model.run import Attempt, RunSummary

_TICKS = 5
_PAUSE_SHARE = 0.25  # a pause longer than this part of the working time is cut …
_PAUSE_LEAST = 2.0  # … but never one shorter than this, in seconds
_PAUSE_WIDTH = 0.06  # of the line that a cut pause still takes
_THINNEST = 0.5  # per cent: shorter attempts stay visible

OUTCOMES = {
    "published": "published its result",
    "raised": "the notebook raised",
    "lost": "worker lost",
    "refused": "refused",
    "running": "still running",
    "reused": "result of an earlier run reused",
}


@dataclass(frozen=True)
class Bar:
    """One attempt; ``left`` and ``width`` in per cent of the line."""

    left: float
    width: float
    outcome: str
    text: str


@dataclass(frozen=True)
class Row:
    """The attempts of one stage."""

    stage: str
    bars: tuple[Bar, ...]
    seconds: float


@dataclass(frozen=True)
class Mark:
    """A time on the line, or a pause cut out of it; ``left`` in per cent."""

    left: float
    text: str


@dataclass(frozen=True)
class Timeline:
    """All rows on one line of time."""

    rows: tuple[Row, ...]
    ticks: tuple[Mark, ...]
    pauses: tuple[Mark, ...]


def timeline(summary: RunSummary) -> Timeline | None:
    """Lay out the attempts of a run, or return None where no times are known."""
    attempts = [attempt for stage in summary.stages for attempt in stage.history]
    if not attempts:
        return None
    clock = Clock((attempt.started, attempt.ended) for attempt in attempts)
    rows = tuple(
        Row(stage.name, tuple(_bar(attempt, clock) for attempt in stage.history), stage.seconds)
        for stage in summary.stages
    )
    return Timeline(rows, clock.ticks(), clock.pauses())


def attempt_text(attempt: Attempt) -> str:
    """Say what became of one attempt: ``attempt 1: worker lost after 1.2 s (killed by signal 9)``."""
    detail = f" ({attempt.detail})" if attempt.detail else ""
    lasted = f" after {human_seconds(attempt.ended - attempt.started)}" if attempt.ended > attempt.started else ""
    return f"attempt {attempt.number}: {OUTCOMES[attempt.outcome]}{lasted}{detail}"


def _bar(attempt: Attempt, clock: Clock) -> Bar:
    left = min(clock.place(attempt.started), 100 - _THINNEST)
    width = max(clock.place(attempt.ended) - left, _THINNEST)
    return Bar(round(left, 2), round(width, 2), attempt.outcome, attempt_text(attempt))


class Clock:
    """From seconds since the epoch to per cent of a line on which long pauses between ``spans`` take little room."""

    def __init__(self, spans: Iterable[tuple[float, float]]) -> None:
        self._spans = _busy(spans)
        worked = sum(end - start for start, end in self._spans) or 1.0
        width = 100 / (1 + _PAUSE_WIDTH * (len(self._spans) - 1))
        self._scale = width / worked
        self._pause = width * _PAUSE_WIDTH
        self._lefts = [0.0]
        for start, end in self._spans[:-1]:
            self._lefts.append(self._lefts[-1] + (end - start) * self._scale + self._pause)

    def place(self, moment: float) -> float:
        """Place a moment on the line; inside a pause it is where the pause begins."""
        number = max(bisect_right([start for start, _ in self._spans], moment) - 1, 0)
        start, end = self._spans[number]
        return self._lefts[number] + (min(max(moment, start), end) - start) * self._scale

    def ticks(self) -> tuple[Mark, ...]:
        """Mark round times since the start, up to the first pause."""
        start, end = self._spans[0]
        step = _round_step((end - start) / _TICKS)
        marks = range(int((end - start) / step) + 1) if step else range(1)
        return tuple(Mark(round(n * step * self._scale, 2), human_seconds(n * step)) for n in marks)

    def pauses(self) -> tuple[Mark, ...]:
        """Mark what was cut out, with its length."""
        lengths = [right[0] - left[1] for left, right in zip(self._spans, self._spans[1:], strict=False)]
        return tuple(
            Mark(round(left - self._pause / 2, 2), f"pause of {human_seconds(length)}")
            for left, length in zip(self._lefts[1:], lengths, strict=True)
        )


def _busy(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Join the times worked, leaving only pauses that are long beside them."""
    ordered = sorted((start, max(start, end)) for start, end in spans)
    longest = max(_PAUSE_LEAST, _PAUSE_SHARE * sum(end - start for start, end in ordered))
    joined = [ordered[0]]
    for start, end in ordered[1:]:
        last_start, last_end = joined[-1]
        if start - last_end > longest:
            joined.append((start, end))
        else:
            joined[-1] = (last_start, max(last_end, end))
    return joined


def _round_step(least: float) -> float:
    """Find a step of 1, 2 or 5 times a power of ten (or whole minutes and hours) that is at least this long."""
    steps = [digit * 10.0**power for power in range(-4, 2) for digit in (1, 2, 5)]
    steps = [step for step in steps if step < 60]  # noqa: PLR2004 - from a minute on, people count in sixties
    steps += [60.0 * n for n in (1, 2, 5, 10, 15, 30)] + [3600.0 * n for n in (1, 2, 5, 12, 24, 48, 168)]
    return next((step for step in steps if step >= least), least) if least > 0 else 0.0
