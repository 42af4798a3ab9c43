"""Many scenarios while they run: a live table on a terminal, a line for each elsewhere, or nothing."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Protocol

from rich.console import Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from j2k_dev.model.scenario import NotRun
from j2k_dev.report.ansi import plain_text
from j2k_dev.report.scenario_table import tallied, verdict_line
from j2k_dev.report.scenario_words import MARKS, NOT_RUN, STYLES, TONES, recovery
from j2k_dev.report.units import human_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console, RenderableType

    from j2k_dev.model.scenario import ScenarioResult

_AROUND = 4  # lines of the terminal that are not rows
_FEWEST_ROWS = 3
_VERDICT_WIDTH = max(map(len, MARKS)) + 2


class Board(Protocol):
    """Shows how far a row of scenarios has come; each is known by its name."""

    def begins(self, scenario: str) -> None:
        """Tell that a scenario is under way now."""

    def does(self, what: str) -> None:
        """Tell what it is doing, in a few words."""

    def ended(self, result: ScenarioResult) -> None:
        """Tell its verdict."""

    def left_out(self, scenario: NotRun) -> None:
        """Tell that it is not run, and why."""


@contextlib.contextmanager
def board(console: Console, scenarios: Sequence[str], *, quiet: bool = False) -> Iterator[Board]:
    """Show scenarios in their order while they are run; others come to them as they begin.

    Nothing stays of a live table.
    """
    if quiet:
        yield _QuietBoard()
    elif console.is_terminal and not console.is_dumb_terminal:
        live = LiveBoard(console, scenarios)
        with Live(get_renderable=live.render, console=console, transient=True, redirect_stdout=False):
            yield live
    else:
        yield _PlainBoard(console, len(scenarios))


class _QuietBoard:
    def begins(self, scenario: str) -> None:
        """Keep it."""

    def does(self, what: str) -> None:
        """Keep it."""

    def ended(self, result: ScenarioResult) -> None:
        """Keep it."""

    def left_out(self, scenario: NotRun) -> None:
        """Keep it."""


class _PlainBoard:
    """Writes a line when a scenario begins and one when it ends."""

    def __init__(self, console: Console, count: int) -> None:
        self._console = console
        self._count = count
        self._number = 0

    def begins(self, scenario: str) -> None:
        self._number += 1
        count = f" of {self._count}" if self._number <= self._count else ""
        self._line(f"scenario {self._number}{count}: {plain_text(scenario)} ...")

    def does(self, what: str) -> None:
        """Say nothing: a log needs the verdict."""

    def ended(self, result: ScenarioResult) -> None:
        self._line(verdict_line(result).plain)

    def left_out(self, scenario: NotRun) -> None:
        self._line(f"{NOT_RUN} not run  {plain_text(scenario.scenario)}  {plain_text(scenario.why)}")

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class LiveBoard:
    """A table of all scenarios that changes in place; what does not fit the terminal's height is counted instead."""

    def __init__(self, console: Console, scenarios: Sequence[str]) -> None:
        self._console = console
        self._scenarios = list(scenarios)
        self._results: dict[str, ScenarioResult | NotRun] = {}
        self._spinner = Spinner("dots")
        self._running = ""
        self._doing = ""
        self._began = 0.0

    def begins(self, scenario: str) -> None:
        """Show it as running from now on."""
        self._scenarios += [] if scenario in self._scenarios else [scenario]
        self._running, self._doing, self._began = scenario, "", time.monotonic()

    def does(self, what: str) -> None:
        """Show what it is doing beside it."""
        self._doing = what

    def ended(self, result: ScenarioResult) -> None:
        """Show its verdict."""
        self._results[result.scenario], self._running = result, ""

    def left_out(self, scenario: NotRun) -> None:
        """Show that it is not run."""
        self._scenarios += [] if scenario.scenario in self._scenarios else [scenario.scenario]
        self._results[scenario.scenario] = scenario

    def render(self) -> RenderableType:
        """Draw the rows around the one that runs, and count all."""
        shown = self._shown()
        longest = max(map(len, shown), default=0)
        table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False, expand=True)
        table.add_column(no_wrap=True, width=_VERDICT_WIDTH)
        table.add_column(no_wrap=True, overflow="ellipsis", width=min(longest, self._console.width // 3))
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for scenario in shown:
            table.add_row(*self._row(scenario))
        return Group(table, self._summary(len(shown)))

    def _shown(self) -> Sequence[str]:
        room = max(self._console.height - _AROUND, _FEWEST_ROWS)
        if len(self._scenarios) <= room:
            return self._scenarios
        now = self._scenarios.index(self._running) if self._running in self._scenarios else len(self._results)
        first = min(max(0, now - room // 2), len(self._scenarios) - room)
        return self._scenarios[first : first + room]

    def _row(self, scenario: str) -> tuple[RenderableType, RenderableType, RenderableType]:
        name = plain_text(scenario)
        result = self._results.get(scenario)
        if scenario == self._running:
            took = human_seconds(int(time.monotonic() - self._began))
            self._spinner.update(text=Text("running", style="cyan"))
            return self._spinner, Text(name, style="bold"), Text(f"{took}  {plain_text(self._doing)}", style="cyan")
        if result is None:
            return Text("· pending", style="dim"), Text(name, style="dim"), Text()
        if isinstance(result, NotRun):
            return Text(f"{NOT_RUN} not run", style="dim"), Text(name), Text(plain_text(result.why), style="dim")
        return self._verdict(result)

    def _verdict(self, result: ScenarioResult) -> tuple[Text, Text, Text]:
        mark = Text(f"{MARKS[result.verdict]} {result.verdict}", style=STYLES[TONES[result.verdict]])
        told = ", ".join(part for part in (recovery(result), f"took {human_seconds(result.seconds)}") if part)
        return mark, Text(plain_text(result.scenario)), Text(told, style="dim")

    def _summary(self, shown: int) -> Text:
        verdicts = [result for result in self._results.values() if not isinstance(result, NotRun)]
        hidden = len(self._scenarios) - shown
        text = Text(f"{len(self._results)} of {len(self._scenarios)} done", style="dim")
        text = Text.assemble(text, ("; ", "dim"), tallied(verdicts)) if verdicts else text
        return text.append(f"; {hidden} not shown", style="dim") if hidden else text
