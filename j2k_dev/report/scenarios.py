"""The page of scenarios: what was broken on purpose, the proof that it was, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from j2k_dev.report.ansi import ansi_html, plain_text
from j2k_dev.report.page import Page, write_page
from j2k_dev.report.scenario_timeline import ScenarioTimeline, letter, progress_time, scenario_timeline
from j2k_dev.report.scenario_words import (
    MARKS,
    NOT_RUN,
    TONES,
    Tone,
    attempts,
    fault_name,
    headline,
    meaning,
    recomputed,
    severity,
    tally,
    worst,
)
from j2k_dev.report.units import human_date, human_seconds, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from markupsafe import Markup

    from j2k_dev.model.scenario import NotRun, ScenarioResult, Struck, Violation

_BEFORE, _AFTER = 1.0, 1.0  # seconds before the first fault and after the last progress that count as around it
_MOST_LINES = 60  # of a log
_MOST_EVENTS = 1000
_STAGE_HUES = 8
_NAMES = {"seconds": "took", "published": "by attempt", "outcome": "", "how": ""}  # said shorter


@dataclass(frozen=True)
class FactView:
    """One thing that was looked at before and after a fault; None where it was not."""

    name: str
    before: str | None
    after: str | None

    @property
    def both(self) -> bool:
        """Say whether it can be compared."""
        return self.before is not None and self.after is not None

    @property
    def changed(self) -> bool:
        """Say whether it is another one now."""
        return self.both and self.before != self.after


@dataclass(frozen=True)
class FaultView:
    """A fault with its proof; ``number`` is how the timeline names it."""

    number: int
    name: str
    struck: Struck
    facts: tuple[FactView, ...]
    lasted: str


@dataclass(frozen=True)
class EventView:
    """A line of the history; ``classes`` are what the filters look for."""

    who: str
    stage: str
    attempt: str
    what: str
    detail: str
    classes: str = ""
    when: str = ""


@dataclass(frozen=True)
class LogView:
    """The last lines of one log; ``left_out`` counts those before."""

    name: str
    html: Markup
    left_out: int


@dataclass(frozen=True)
class ScenarioView:
    """One scenario as the page shows it; ``meter`` is the share of the allowed time, in per cent."""

    anchor: str
    result: ScenarioResult
    mark: str
    tone: Tone
    meaning: str
    recovery: str
    allowed: str
    meter: float | None
    attempts: str
    recomputed: str
    faults: tuple[FaultView, ...]
    violations: tuple[tuple[str, Violation], ...]
    timeline: ScenarioTimeline | None
    events: tuple[EventView, ...]
    events_left_out: int
    logs: tuple[LogView, ...]


def write_scenarios(results: Sequence[ScenarioResult], not_run: Sequence[NotRun], target: Path) -> None:
    """Write the page to ``target``, whole or not at all."""
    write_page(scenarios_page(results, not_run), target)


def scenarios_page(results: Sequence[ScenarioResult], not_run: Sequence[NotRun]) -> Page:
    """Gather all that the page shows; the scenarios in the order in which they were run."""
    views = [_view(number, result) for number, result in enumerate(results, 1)]
    context = {
        "headline": headline(results),
        "tally": meaning(results[0]) if len(results) == 1 else tally(results, not_run),
        "tone": worst(results),
        "notebooks": _distinct(result.notebook for result in results),
        "engines": _distinct(result.engine for result in results),
        "when": _when(results),
        "took": sum(result.seconds for result in results),
        "views": views,
        "attention": _attention(views),
        "not_run": not_run,
        "not_run_mark": NOT_RUN,
        "most_stages": max((len(result.stages) for result in results), default=0),
        "hues": _STAGE_HUES,
    }
    return Page("scenarios.html.j2", f"{headline(results)} — j2k scenarios", context)


def _attention(views: Sequence[ScenarioView]) -> list[ScenarioView]:
    left = [view for view in views if view.result.verdict != "survived"] if len(views) > 1 else []
    return sorted(left, key=lambda view: severity(view.result))


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name for name in names if name))


def _when(results: Sequence[ScenarioResult]) -> str:
    starts = [result.started for result in results if result.started]
    return human_date(min(starts)) if starts else "unknown"


def _view(number: int, result: ScenarioResult) -> ScenarioView:
    proved = result.verdict != "invalid"
    took, allowed = result.recovery, result.recovery_allowed
    events = tuple(_events(result))
    return ScenarioView(
        anchor=f"scenario-{number}",
        result=result,
        mark=MARKS[result.verdict],
        tone=TONES[result.verdict],
        meaning=meaning(result),
        recovery=_recovery(result),
        allowed=f"{'of ' if took is not None else ''}{human_seconds(allowed)} allowed"
        if allowed is not None and proved
        else "",
        meter=min(100.0, 100 * took / allowed) if took is not None and allowed and proved else None,
        attempts=attempts(result),
        recomputed=_recomputed(result),
        faults=tuple(_fault(place, struck) for place, struck in enumerate(result.struck, 1)),
        violations=tuple((letter(place), violation) for place, violation in enumerate(result.violations)),
        timeline=scenario_timeline(result),
        events=events[:_MOST_EVENTS],
        events_left_out=max(0, len(events) - _MOST_EVENTS),
        logs=tuple(_log(name, text) for name, text in result.logs.items() if text.strip()),
    )


def _recovery(result: ScenarioResult) -> str:
    if result.verdict == "invalid":
        return "not known"
    return "none" if result.recovery is None else human_seconds(result.recovery)


def _recomputed(result: ScenarioResult) -> str:
    count = recomputed(result)
    return f"{plural(count, 'cell')} run again" if count else "no cell run again"


def _fault(number: int, struck: Struck) -> FaultView:
    names = dict.fromkeys((*struck.before, *struck.after))
    facts = tuple(FactView(name, struck.before.get(name), struck.after.get(name)) for name in names)
    lasted = human_seconds(struck.undone - struck.at) if struck.undone else ""
    return FaultView(number, fault_name(struck), struck, facts, lasted)


def _events(result: ScenarioResult) -> Iterable[EventView]:
    """List the history and what the scenario itself did, in order, with times as seconds from the first fault."""
    moments = [*((line["time"], _event(line, result)) for line in result.events), *_own(result)]
    moments.sort(key=lambda moment: moment[0])
    faults = [struck.at for struck in result.struck]
    zero = min(faults, default=moments[0][0] if moments else 0.0)
    last = max((*faults, progress_time(result) or zero), default=zero)
    for moment, event in moments:
        near = " near" if zero - _BEFORE <= moment <= last + _AFTER else ""
        # A minus that is as wide as the plus above it.
        when = f"{moment - zero:+.3f} s".replace("-", "\N{MINUS SIGN}")
        yield replace(event, when=when, classes=f"{event.classes}{near}")


def _own(result: ScenarioResult) -> Iterable[tuple[float, EventView]]:
    for number, struck in enumerate(result.struck, 1):
        yield struck.at, _own_event(struck, f"fault {number}", struck.told)
        if struck.undone:
            yield struck.undone, _own_event(struck, f"fault {number} undone", struck.fault.replace("-", " "))
    begins: dict[str, float] = {}
    for line in sorted(result.events, key=lambda line: float(line["time"])):
        begins.setdefault(line["run"], line["time"])
    for run, moment in list(begins.items())[1:]:
        yield moment, EventView("j2k", "", "", "another run", run, "own")
    if (progress := progress_time(result)) is not None:
        yield progress, EventView("scenario", "", "", "first progress", "", "own")


def _own_event(struck: Struck, what: str, detail: str) -> EventView:
    return EventView("scenario", struck.stage, _number(struck.attempt), what, detail, "own")


def _event(line: dict[str, Any], result: ScenarioResult) -> EventView:
    places = [f"of-{number}" for number, tale in enumerate(result.stages) if tale.stage == line["stage"]]
    detail = _detail(line["detail"])
    return EventView(line["worker"], line["stage"], _number(line["attempt"]), line["event"], detail, *places[:1])


def _number(attempt: int) -> str:
    return str(attempt) if attempt else ""


def _detail(detail: dict[str, Any]) -> str:
    told = {name: value for name, value in detail.items() if value not in ("", [], None)}
    return ", ".join(name if value is True else _named(name, value) for name, value in told.items())


def _named(name: str, value: Any) -> str:
    return f"{_NAMES.get(name, name)} {_plain(value)}".strip()


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return human_seconds(value)
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else plain_text(str(value))


def _log(name: str, text: str) -> LogView:
    lines = text.rstrip("\n").split("\n")
    return LogView(name, ansi_html("\n".join(lines[-_MOST_LINES:])), max(0, len(lines) - _MOST_LINES))
