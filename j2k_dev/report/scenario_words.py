"""What a scenario's verdict means, in the words that the page, the terminal and JUnit's readers share."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal

from j2k_dev.report.units import human_seconds, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from j2k_dev.model.scenario import NotRun, ScenarioResult, Struck, Verdict

Tone = Literal["good", "warn", "bad", "quiet"]

# A sign beside each word, so that colour is never all that tells them apart.
MARKS: dict[Verdict, str] = {"survived": "✓", "survived late": "◷", "broken": "✗", "invalid": "?"}
NOT_RUN = "·"
TONES: dict[Verdict, Tone] = {"survived": "good", "survived late": "warn", "broken": "bad", "invalid": "quiet"}
STYLES: dict[Tone, str] = {"good": "bold green", "warn": "bold yellow", "bad": "bold red", "quiet": "bold blue"}
_WORST_FIRST: tuple[Verdict, ...] = ("broken", "invalid", "survived late", "survived")

_MEANINGS: dict[Verdict, str] = {
    "survived": "The fault happened, and every expectation held",
    "survived late": "It survived, but not in time",
    "broken": "It did not survive",
    "invalid": "No verdict",
}
_PROCESSES = {"cells": "the process that runs the cells", "worker": "the worker's process"}


def meaning(result: ScenarioResult) -> str:
    """Say in a sentence what the verdict on this scenario means; ``why`` is the clause that gives the reason."""
    default = {
        "survived": "",
        "survived late": recovery(result),
        "broken": "an expectation did not hold",
        "invalid": "the fault did not happen",
    }
    why = result.why or default[result.verdict]
    return f"{_MEANINGS[result.verdict]}{f': {why}' if why else ''}{'' if why.endswith(('.', '!', '?')) else '.'}"


def recovery(result: ScenarioResult) -> str:
    """Say how long it took to go on after the fault, beside how long it may take; nothing where no fault was proved."""
    if result.verdict == "invalid":
        return ""
    allowed = f"{human_seconds(result.recovery_allowed)} allowed" if result.recovery_allowed is not None else ""
    took = human_seconds(result.recovery) if result.recovery is not None else "none"
    return f"{took} ({allowed})" if allowed else took


def attempts(result: ScenarioResult) -> str:
    """Say which stages took more than one attempt: ``fit 2, report 3``."""
    again = [f"{tale.stage} {tale.attempts}" for tale in result.stages if tale.attempts > 1]
    if again:
        return ", ".join(again)
    return "1 each" if any(tale.attempts for tale in result.stages) else "none"


def recomputed(result: ScenarioResult) -> int:
    """Count the cells that were run again."""
    return sum(tale.recomputed_cells for tale in result.stages)


def fault_name(struck: Struck) -> str:
    """Say what was done to whom, and when: ``kill of the worker's process: stage fit, attempt 1, in cell 3``."""
    process = f" of {_PROCESSES[struck.process]}" if struck.process in _PROCESSES else ""
    stage = f"stage {struck.stage}" if struck.stage else ""
    attempt = f"attempt {struck.attempt}" if struck.attempt else ""
    where = ", ".join(part for part in (stage, attempt, struck.point) if part)
    return f"{struck.fault.replace('-', ' ')}{process}{': ' if where else ''}{where}"


def headline(results: Sequence[ScenarioResult]) -> str:
    """Say in a few words how it went: ``17 of 21 survived``."""
    if not results:
        return "Nothing was run"
    if len(results) == 1:
        return results[0].verdict.capitalize()
    survived = _counts(results)["survived"]
    return f"All {len(results)} survived" if survived == len(results) else f"{survived} of {len(results)} survived"


def tally(results: Sequence[ScenarioResult], not_run: Sequence[NotRun]) -> str:
    """Say how many there are of each verdict and what that means; nothing is left out."""
    counts = _counts(results)
    parts = []
    if counts["survived"]:
        parts.append(f"{counts['survived']} survived with the expected results and in time")
    if counts["survived late"]:
        parts.append(f"{counts['survived late']} survived late")
    if counts["broken"]:
        parts.append(f"{counts['broken']} broke")
    if counts["invalid"]:
        one = counts["invalid"] == 1
        proves = "proves nothing, because its fault" if one else "prove nothing, because their faults"
        parts.append(f"{counts['invalid']} {proves} did not happen")
    text = f"{_listed(parts)}." if parts else ""
    left = f"{plural(len(not_run), 'scenario')} {'was' if len(not_run) == 1 else 'were'} not run." if not_run else ""
    return " ".join(part for part in (text, left) if part)


def severity(result: ScenarioResult) -> int:
    """Rank a verdict: 0 is the worst."""
    return _WORST_FIRST.index(result.verdict)


def worst(results: Sequence[ScenarioResult]) -> Tone:
    """Choose the tone of several verdicts: that of the worst."""
    counts = _counts(results)
    return next((TONES[verdict] for verdict in _WORST_FIRST if counts[verdict]), "quiet")


def _counts(results: Sequence[ScenarioResult]) -> Counter[str]:
    return Counter(result.verdict for result in results)


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(parts[:-1]), *parts[-1:]) if part)
