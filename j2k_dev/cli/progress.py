"""The three ways of showing progress, all on stderr: a live table on a terminal, plain lines elsewhere, nothing."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from j2k_dev.report.units import cell_name, human_seconds, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

    from j2k_dev.actions.ui import PodsEvent, StageEvent, StageState, Ui

_MARKS: dict[StageState, tuple[str, str]] = {
    "waiting": ("·", "dim"),
    "running": ("▶", "cyan"),
    "published": ("✓", "green"),
    "reused": ("✓", "green"),
    "lost": ("↻", "yellow"),
    "raised": ("✗", "red"),
    "refused": ("✗", "red"),
}
_TEXT_WIDTH = 48


def make_ui(console: Console, *, quiet: bool) -> Ui:
    """Choose how progress is shown on this console."""
    if quiet:
        return QuietUi()
    return RichUi(console) if console.is_terminal and not console.is_dumb_terminal else PlainUi(console)


class QuietUi:
    """Shows nothing."""

    def step(self, title: str) -> AbstractContextManager[None]:  # noqa: ARG002 - the protocol's
        """Do the step in silence."""
        return contextlib.nullcontext()

    def note(self, text: str) -> None:
        """Keep it."""

    def stages(self, stages: Sequence[tuple[str, int]]) -> None:
        """Keep it."""

    def stage(self, event: StageEvent) -> None:
        """Keep it."""

    def pods(self, event: PodsEvent) -> None:
        """Keep it."""

    def cell_started(self, stage: str | None, index: int, total: int, text: str = "") -> None:
        """Keep it."""

    def cell_finished(self, stage: str | None, index: int, total: int, seconds: float) -> None:
        """Keep it."""


class PlainUi:
    """Writes one line for each thing that happened; the lines of a log."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._finished: Counter[str | None] = Counter()
        self._troubles: dict[str, str] = {}

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Write when the step begins and when it ends."""
        started = time.monotonic()
        self._finished.clear()
        self._line(f"{title} ...")
        try:
            yield
        except BaseException:
            self._line(f"{title}: stopped after {human_seconds(time.monotonic() - started)}")
            raise
        self._line(f"{title}: done in {human_seconds(time.monotonic() - started)}")

    def note(self, text: str) -> None:
        """Write the note."""
        self._line(f"note: {text}")

    def stages(self, stages: Sequence[tuple[str, int]]) -> None:
        """Name the stages once."""
        self._line(f"  {plural(len(stages), 'stage')}: {', '.join(name for name, _cells in stages)}")

    def stage(self, event: StageEvent) -> None:
        """Write what became of the stage."""
        if event.state != "waiting":
            self._line(f"  {event.stage}: {_told(event)}")

    def pods(self, event: PodsEvent) -> None:
        """Write what is wrong, once: how many are pulled or ready is nothing to keep."""
        if event.trouble and event.trouble != self._troubles.get(event.stage):
            self._line(f"  {event.stage}: {event.trouble}")
        self._troubles[event.stage] = event.trouble

    def cell_started(self, stage: str | None, index: int, total: int, text: str = "") -> None:
        """Say nothing: the line comes when the cell has ended."""

    def cell_finished(self, stage: str | None, index: int, total: int, seconds: float) -> None:
        """Write the cell and its time."""
        self._finished[stage] += 1
        where = f"{stage}: " if stage else ""
        done = self._finished[stage]
        self._line(f"  {where}{cell_name(index)} took {human_seconds(seconds)} ({done} of {total})")

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


@dataclass
class _Row:
    """One stage in the live table."""

    name: str
    cells: int = 0
    finished: int = 0
    event: StageEvent | None = None
    pods: PodsEvent | None = None
    began: float | None = None
    seconds: float = 0.0

    def take(self, event: StageEvent) -> None:
        """Keep what happened, and the time that the stage is at work."""
        self.event = event
        if event.state == "running":
            self.began, self.finished = time.monotonic(), 0
        elif self.began is not None:
            self.seconds, self.began = time.monotonic() - self.began, None

    @property
    def elapsed(self) -> float:
        """Seconds at work, up to now while it runs."""
        return time.monotonic() - self.began if self.began is not None else self.seconds


@dataclass
class _Step:
    """The step that is under way."""

    title: str
    began: float = field(default_factory=time.monotonic)
    cell: str = ""
    finished: int = 0
    total: int = 0


class RichUi:
    """Shows what is under way as a table that changes in place, and leaves one line for each step that is done."""

    def __init__(self, console: Console) -> None:
        # rich costs 50 ms: only who has a terminal pays for it.
        from rich.spinner import Spinner  # noqa: PLC0415 - see above

        self._console = console
        self._spinner = Spinner("dots")
        self._step: _Step | None = None
        self._rows: dict[str, _Row] = {}

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Show the step while it lasts; a step inside another one only changes the title."""
        from rich.live import Live  # noqa: PLC0415 - see above

        outer, step = self._step, _Step(title)
        self._step = step
        live = Live(get_renderable=self._render, console=self._console, transient=True, redirect_stdout=False)
        try:
            with live if outer is None else contextlib.nullcontext():
                yield
        except BaseException:
            self._leave(step, "✗", "red")
            raise
        else:
            self._leave(step, "✓", "green")
        finally:
            self._step = outer
            if outer is None:
                self._rows = {}

    def note(self, text: str) -> None:
        """Leave the note above the table."""
        self._console.print(f"  {text}", style="dim", markup=False, highlight=False)

    def stages(self, stages: Sequence[tuple[str, int]]) -> None:
        """Make the table of this step or the next one; what is known of a stage already stays."""
        known = self._rows
        self._rows = {name: replace(known.get(name, _Row(name)), cells=cells) for name, cells in stages}

    def stage(self, event: StageEvent) -> None:
        """Change the stage's row; a lost worker leaves a line too."""
        self._rows.setdefault(event.stage, _Row(event.stage)).take(event)
        if event.state == "lost":
            self.note(f"{event.stage}: {_told(event)}")

    def pods(self, event: PodsEvent) -> None:
        """Change what the stage's row says of its pods."""
        self._rows.setdefault(event.stage, _Row(event.stage)).pods = event

    def cell_started(self, stage: str | None, index: int, total: int, text: str = "") -> None:
        """Show which cell runs."""
        if self._step:
            where = f"{stage}, " if stage else ""
            self._step.cell, self._step.total = f"{where}{cell_name(index)}  {_first_line(text)}", total

    def cell_finished(self, stage: str | None, index: int, total: int, seconds: float) -> None:  # noqa: ARG002 - the protocol's
        """Count the cell."""
        if stage:
            self._rows.setdefault(stage, _Row(stage)).finished += 1
        if self._step:
            self._step.finished, self._step.total = self._step.finished + 1, total

    def _leave(self, step: _Step, mark: str, colour: str) -> None:
        took = human_seconds(time.monotonic() - step.began)
        self._console.print(f"[{colour}]{mark}[/] {_escaped(step.title)}  [dim]{took}[/]", highlight=False)

    def _render(self) -> RenderableType:
        from rich.console import Group  # noqa: PLC0415 - see above
        from rich.text import Text  # noqa: PLC0415 - see above

        step = self._step
        if step is None:
            return Text()
        took = human_seconds(int(time.monotonic() - step.began))
        count = f"  {step.finished} of {plural(step.total, 'cell')}" if step.total and not self._rows else ""
        self._spinner.update(text=Text.assemble(step.title, (f"{count}  {took}", "dim")))
        lines: list[RenderableType] = [self._spinner]
        if self._rows:
            lines.append(_table(self._rows.values()))
            lines.extend(_troubles(self._rows.values()))
        if step.cell:
            lines.append(Text(f"  {step.cell}", style="dim", overflow="ellipsis", no_wrap=True))
        return Group(*lines)


def _table(rows: Iterable[_Row]) -> Table:
    from rich.table import Table  # noqa: PLC0415 - see RichUi

    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    for row in rows:
        state = row.event.state if row.event else "waiting"
        mark, colour = _MARKS[state]
        finished = row.cells if state in ("published", "reused") else row.finished
        took = human_seconds(round(row.elapsed, 1)) if row.elapsed else ""
        told = _told(row.event) if row.event and state not in ("running", "waiting") else ""
        cells = [f"  [{colour}]{mark}[/]", _escaped(row.name), f"{finished}/{row.cells}", took]
        pods = [f"[dim]{_escaped(row.pods.told)}[/]"] if row.pods else []
        table.add_row(*cells, *pods, f"[dim]{_escaped(told)}[/]")
    return table


def _troubles(rows: Iterable[_Row]) -> Iterator[Text]:
    from rich.text import Text  # noqa: PLC0415 - see RichUi

    for row in rows:
        if row.pods and row.pods.trouble:
            yield Text(f"  {row.name}: {row.pods.trouble}", style="yellow", overflow="fold")


def _told(event: StageEvent) -> str:
    attempt = f", attempt {event.attempt}" if event.attempt > 1 else ""
    detail = f" ({event.detail})" if event.detail else ""
    return f"{event.state}{attempt}{detail}"


def _first_line(text: str) -> str:
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= _TEXT_WIDTH else f"{line[: _TEXT_WIDTH - 1]}…"


def _escaped(text: str) -> str:
    from rich.markup import escape  # noqa: PLC0415 - see RichUi

    return escape(text)
