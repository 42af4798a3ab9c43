"""Scenarios on a terminal: the catalogue, verdicts, one verdict with all it rests on. Elsewhere, one line for each."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from j2k_dev.report.ansi import plain_text
from j2k_dev.report.lines import hanging, line
from j2k_dev.report.scenario_words import (
    MARKS,
    NOT_RUN,
    STYLES,
    TONES,
    attempts,
    fault_name,
    meaning,
    recomputed,
    recovery,
    severity,
    tally,
)
from j2k_dev.report.units import human_date, human_seconds, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from rich.console import Console

    from j2k_dev.model.scenario import Check, Listed, NotRun, ScenarioResult, Struck, Verdict

_NEVER = "never run"


def print_scenarios(console: Console, listed: Sequence[Listed], now: float | None = None) -> None:
    """Print what there is, what each needs, and what its last verdict was; ``now`` is the time, seconds since 1970."""
    now = time.time() if now is None else now
    if console.is_terminal:
        table = _table("scenario", "runs on", "last verdict")
        table.expand, table.columns[0].ratio = True, 1
        table.columns[1].max_width, table.columns[2].max_width = 14, 24
        for each in listed:
            name = Text.assemble((plain_text(each.scenario), "bold"), "\n", (plain_text(each.title), "dim"))
            table.add_row(name, _runs_on(each), _last(each, now))
        console.print(table)
        return
    width = max((len(each.scenario) for each in listed), default=0)
    for each in listed:
        parts = (f"{plain_text(each.scenario):<{width}}", _one_line(_last(each, now)), _runs_on(each), each.title)
        line(console, Text("  ".join(map(plain_text, parts))))


def print_results(console: Console, results: Sequence[ScenarioResult], not_run: Sequence[NotRun], page: Path) -> None:
    """Print the verdicts on several scenarios, why those are bad that are, what was not run, and where more is."""
    if results and console.is_terminal:
        console.print(_verdict_table(results))
    elif results:
        _print_verdict_lines(console, results)
    for result in sorted(results, key=severity):
        if result.verdict != "survived":
            lead = Text.assemble(_mark(result.verdict), " ", (plain_text(result.scenario), "bold"), ": ")
            hanging(console, lead, meaning(result), 2)
    for scenario in not_run:
        lead = Text.assemble((f"{NOT_RUN} ", "dim"), (plain_text(scenario.scenario), "bold"), " was not run: ")
        hanging(console, lead, scenario.why, 2)
    hanging(console, Text(), tally(results, not_run) or "Nothing was run.", 0)
    line(console, Text.assemble(("page  ", "dim"), str(page)))


def print_result(console: Console, result: ScenarioResult, page: Path) -> None:
    """Print one verdict in a sentence, the expectations, the proof of the faults, and where more is."""
    lead = Text.assemble(_mark(result.verdict, word=True), "  ", (plain_text(result.scenario), "bold"))
    hanging(console, lead, f": {result.title}" if result.title else "", 2)
    hanging(console, Text(), meaning(result), 0)
    width = max((len(plain_text(check.what)) for check in result.checks), default=0)
    for check in result.checks:
        _print_check(console, check, width)
    for struck in result.struck:
        _print_fault(console, struck)
    if not result.struck:
        hanging(console, Text.assemble(("  fault: ", "bold")), "none was made, so nothing was tried", 4)
    for violation in result.violations:
        lead = Text.assemble(("  violation: ", "bold red"), (plain_text(violation.rule), "bold"), ": ")
        hanging(console, lead, violation.told, 4)
    hanging(console, Text(_facts(result), style="dim"), "", 0)
    line(console, Text.assemble(("page  ", "dim"), str(page)))


def verdict_line(result: ScenarioResult) -> Text:
    """Say a verdict in one line: ``✓ survived  kill-stage-2  recovery 194 ms (3 s allowed), took 11 s``."""
    told = [f"recovery {text}"] if (text := recovery(result)) else []
    told.append(f"took {human_seconds(result.seconds)}")
    return Text.assemble(
        _mark(result.verdict, word=True), "  ", (plain_text(result.scenario), "bold"), f"  {', '.join(told)}"
    )


def _verdict_table(results: Sequence[ScenarioResult]) -> Table:
    table = _table("verdict", "scenario", "recovery", "attempts")
    table.columns[0].no_wrap = True
    table.add_column("took", justify="right", no_wrap=True)
    for result in results:
        name = Text(plain_text(result.scenario), style="bold")
        mark = _mark(result.verdict, word=True)
        table.add_row(mark, name, _recovery(result), plain_text(attempts(result)), human_seconds(result.seconds))
    return table


def _recovery(result: ScenarioResult) -> str:
    if result.verdict == "invalid" or result.recovery is None:
        return "" if result.verdict == "invalid" else "none"
    allowed = f" of {human_seconds(result.recovery_allowed)}" if result.recovery_allowed is not None else ""
    return f"{human_seconds(result.recovery)}{allowed}"


def _print_verdict_lines(console: Console, results: Sequence[ScenarioResult]) -> None:
    width = max(len(plain_text(result.scenario)) for result in results)
    verdicts = max(len(result.verdict) for result in results)
    for result in results:
        name = f"{plain_text(result.scenario):<{width}}"
        told = [f"recovery {text}"] if (text := recovery(result)) else []
        told += [f"attempts {plain_text(attempts(result))}", f"took {human_seconds(result.seconds)}"]
        line(console, Text(f"{MARKS[result.verdict]} {result.verdict:<{verdicts}}  {name}  {', '.join(told)}"))


def _print_check(console: Console, check: Check, width: int) -> None:
    mark = Text("✓", style="green") if check.holds else Text("✗", style="red")
    lead = Text.assemble("  ", mark, f" {plain_text(check.what):<{width}}  ")
    told = Text.assemble((plain_text(check.seen), "" if check.holds else "bold"))
    if check.seen != check.expected:
        told.append(f" (expected: {plain_text(check.expected)})", style="dim")
    hanging(console, lead, told, 4)


def _print_fault(console: Console, struck: Struck) -> None:
    hanging(console, Text.assemble(("  fault: ", "bold")), fault_name(struck), 4)
    proof = "it happened: " if struck.bit else "no proof that it happened: "
    hanging(console, Text.assemble((f"    {proof}", "dim" if struck.bit else "red")), struck.told, 6)


def _facts(result: ScenarioResult) -> str:
    began = f", started {human_date(result.started)}" if result.started else ""
    again = recomputed(result)
    cells = f" ({plural(again, 'cell')} run again)" if again else ""
    tries = f"attempts {attempts(result)}{cells}, " if result.stages else ""
    return plain_text(f"{tries}run {result.run}, engine {result.engine}, {human_seconds(result.seconds)}{began}")


def _runs_on(each: Listed) -> str:
    return plain_text(", ".join(part for part in (" or ".join(each.engines), each.needs) if part))


def _last(each: Listed, now: float) -> Text:
    known = next((verdict for verdict in MARKS if verdict == each.verdict), None)
    if known is None:
        return Text(_NEVER, style="dim")
    age = f"{human_seconds(max(round(now - each.at), 1))} ago"
    text = Text.assemble(_mark(known, word=True), "\n", (age, "dim"))
    return text.append(f"\nstale: {plain_text(', '.join(each.stale))}", style="yellow") if each.stale else text


def _one_line(text: Text) -> str:
    return text.plain.replace("\n", " ").replace(" stale:", ", stale:")


def _mark(verdict: Verdict, *, word: bool = False) -> Text:
    return Text(f"{MARKS[verdict]} {verdict}" if word else MARKS[verdict], style=STYLES[TONES[verdict]])


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim", show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def tallied(results: Iterable[ScenarioResult]) -> Text:
    """Count verdicts in a few words: ``3 survived, 1 broken``."""
    counts: dict[Verdict, int] = {}
    for result in results:
        counts[result.verdict] = counts.get(result.verdict, 0) + 1
    parts = [
        Text(f"{counts[verdict]} {verdict}", style=STYLES[TONES[verdict]]) for verdict in MARKS if verdict in counts
    ]
    return Text(", ").join(parts)
