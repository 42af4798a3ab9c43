"""Plans, runs and errors on a terminal, through rich: colours only where it has them, 80 columns are enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from j2k_dev.model.recording import PROCESS_ENDED
from j2k_dev.report.ansi import plain_text
from j2k_dev.report.crossings import crossing_views
from j2k_dev.report.timeline import attempt_text
from j2k_dev.report.units import cell_name, cell_ranges, human_bytes, human_date, human_seconds, plural, shortened
from j2k_dev.report.verdict import meaning, recovery

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from rich.console import Console

    from j2k_dev.model.errors import J2kError
    from j2k_dev.model.pipeline import Pipeline, Stage
    from j2k_dev.model.recording import CellError, Recording
    from j2k_dev.model.run import CellDifference, RunSummary, StageSummary
    from j2k_dev.report.crossings import CrossingView

_TONES = {"equal": "bold green", "different": "bold yellow", "failed": "bold red", "unverified": "bold blue"}
_NAME_WIDTH = 24
_RULE = "------------------"


def print_plan(console: Console, pipeline: Pipeline, recording: Recording) -> None:
    """Print the stages, the graph, and for each boundary what crosses, how big it is and why it is there."""
    cells = sum(len(stage.cells) for stage in pipeline.stages)
    counts = f"{plural(len(pipeline.stages), 'stage')} for {plural(cells, 'code cell')}"
    _line(console, Text.assemble((counts, "bold"), f"; the notebook alone takes {human_seconds(recording.seconds)}"))
    console.print(_plan_table(pipeline.stages))
    console.print()
    _print_graph(console, pipeline)
    console.print()
    for crossing in crossing_views(pipeline):
        _print_boundary(console, crossing)
    _print_notes(console, pipeline.notes)


def print_run(console: Console, summary: RunSummary, paths: Mapping[str, Path]) -> None:
    """Print a run's verdict, its stages, what differs, and where its results are (``paths``: what → where)."""
    verdict = Text(summary.verdict, style=_TONES[summary.verdict])
    _line(console, Text.assemble(verdict, f"  {plain_text(meaning(summary))}"))
    if text := recovery(summary):
        _line(console, Text(text))
    if summary.stages:
        console.print(_run_table(summary.stages))
    _line(console, Text(_run_facts(summary), style="dim"))
    _print_attempts(console, summary.stages)
    if summary.error is not None:
        _print_traceback(console, summary.error)
    for difference in summary.differences:
        _print_difference(console, difference)
    if summary.unstable:
        _line(console, Text.assemble(("unstable", "magenta"), f"  {cell_ranges(summary.unstable)}"))
    _print_notes(console, summary.notes)
    _print_paths(console, paths)


def print_error(console: Console, error: J2kError, verbose: bool = False) -> None:  # noqa: FBT001, FBT002 - a flag
    """Print what went wrong and the way out; the detail only when asked for."""
    _line(console, Text.assemble((f"{error.heading}: ", "bold red"), plain_text(error.message)))
    if error.way_out:
        _line(console, Text.assemble(("way out: ", "bold"), plain_text(error.way_out)))
    if error.detail and verbose:
        _coloured(console, error.detail)


def print_cell_error(console: Console, error: CellError, source: str) -> None:
    """Print a cell that raised, its source and its traceback, as nbclient does."""
    what = "ended its own process" if error.ename == PROCESS_ENDED else "raised while it ran"
    _line(console, Text(f"{cell_name(error.cell).capitalize()} {what}:", style="bold red"))
    console.print(Text("\n".join((_RULE, plain_text(source.rstrip("\n")), _RULE))), soft_wrap=True)
    _print_traceback(console, error)


def _line(console: Console, text: Text) -> None:
    console.print(text, overflow="fold")


def _coloured(console: Console, text: str) -> None:
    """Print a text with its own colours; lines are never broken, so that they can be copied."""
    console.print(Text.from_ansi(text.encode("utf-8", "replace").decode()), soft_wrap=True)


def _indented(console: Console, text: str, columns: int, style: str = "") -> None:
    for line in Text(plain_text(text), style=style).wrap(console, console.width - columns) if text else ():
        line.rstrip()
        console.print(Text(" " * columns).append_text(line))


def _plan_table(stages: Iterable[Stage]) -> Table:
    table = _table("stage", "cells", numbers=("took", "peak memory"))
    for stage in stages:
        table.add_row(_name(stage.name), _cells(stage.cells), human_seconds(stage.seconds), _size(stage.peak_bytes))
    return table


def _run_table(stages: Iterable[StageSummary]) -> Table:
    table = _table("stage", "cells", numbers=("tries", "took", "state", "new", "peak memory"))
    for stage in stages:
        table.add_row(_name(stage.name), _cells(stage.cells), *_run_cells(stage))
    return table


def _run_cells(stage: StageSummary) -> tuple[str, ...]:
    if not stage.attempts:
        return ("not run", "", "", "", "")
    sizes = (stage.snapshot_bytes, stage.written_bytes, stage.peak_bytes)
    return (str(stage.attempts), human_seconds(stage.seconds), *map(_size, sizes))


def _table(name: str, cells: str, *, numbers: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim", show_edge=False)
    table.add_column(name, no_wrap=True)
    table.add_column(cells, overflow="fold", max_width=18)
    for number in numbers:
        table.add_column(number, justify="right", no_wrap=True)
    return table


def _name(name: str) -> Text:
    return Text(shortened(name, _NAME_WIDTH), style="bold")


def _cells(cells: Iterable[int]) -> str:
    return cell_ranges(cells).partition(" ")[2]


def _size(count: int) -> str:
    return human_bytes(count) if count else "-"


def _print_graph(console: Console, pipeline: Pipeline) -> None:
    """Draw the chain downwards: that fits any terminal, however many stages there are."""
    sizes = {edge.source: edge.bytes for edge in pipeline.edges}
    for number, stage in enumerate(pipeline.stages):
        _line(console, Text.assemble(("▼ " if number else "● ", "cyan"), (stage.name, "bold")))
        if stage.name in sizes:
            _line(console, Text.assemble(("│", "cyan"), (f"  {human_bytes(sizes[stage.name])}", "dim")))


def _print_boundary(console: Console, crossing: CrossingView) -> None:
    edge = crossing.edge
    _line(console, Text.assemble((f"{edge.source} → {edge.target}", "bold"), f"  {human_bytes(edge.bytes)}"))
    names = [f"{item.name} ({item.type}, {human_bytes(item.bytes)})" for item in crossing.largest]
    if crossing.others:
        names.append(f"{plural(crossing.others, 'more name')} ({human_bytes(crossing.others_bytes)})")
    _indented(console, ", ".join(names), 2)
    _indented(console, edge.why, 2, "dim")


def _run_facts(summary: RunSummary) -> str:
    began = f", started {human_date(summary.started)}" if summary.started else ""
    return f"run {summary.run}, engine {summary.engine}, {human_seconds(summary.seconds)}{began}"


def _print_attempts(console: Console, stages: Iterable[StageSummary]) -> None:
    for stage in stages:
        if any(attempt.outcome == "lost" for attempt in stage.history):
            tries = "; ".join(attempt_text(attempt) for attempt in stage.history)
            _line(console, Text.assemble((stage.name, "bold"), f"  {tries}"))


def _print_traceback(console: Console, error: CellError) -> None:
    if error.traceback:  # without one, the verdict says all there is
        _coloured(console, "\n".join(error.traceback))


def _print_difference(console: Console, difference: CellDifference) -> None:
    where = cell_name(difference.cell).capitalize()
    _line(console, Text.assemble((f"{where}, {difference.what}", "bold yellow")))
    for label, value in (("the notebook gave", difference.expected), ("the pipeline gave", difference.actual)):
        _line(console, Text(f"  {label}:", style="dim"))
        _indented(console, value, 4)


def _print_notes(console: Console, notes: Iterable[str]) -> None:
    for note in notes:
        _line(console, Text.assemble(("note: ", "bold"), plain_text(note)))


def _print_paths(console: Console, paths: Mapping[str, Path]) -> None:
    width = max(map(len, paths), default=0)
    for what, where in paths.items():
        # Never broken over two lines, so that it can be copied.
        console.print(Text.assemble((f"{what:<{width}}  ", "dim"), str(where)), soft_wrap=True)
