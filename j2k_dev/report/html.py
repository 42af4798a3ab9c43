"""The report of a run: one page with the verdict, the pipeline, its times and sizes, and the executed notebook."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from j2k_dev.model.recording import PROCESS_ENDED
from j2k_dev.report.code import highlighted
from j2k_dev.report.crossings import CrossingView, crossing_views, hue
from j2k_dev.report.graph import svg
from j2k_dev.report.markdown import markdown_html
from j2k_dev.report.outputs import Rendered, error_html, render_outputs
from j2k_dev.report.page import Page, write_page
from j2k_dev.report.timeline import attempt_text, timeline
from j2k_dev.report.units import cell_name
from j2k_dev.report.verdict import meaning, recovery

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from j2k_dev.model.pipeline import Pipeline, Stage
    from j2k_dev.model.recording import Recording
    from j2k_dev.model.run import CellDifference, RunSummary, StageSummary

_ALIKE = 0.4
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")


@dataclass(frozen=True)
class CellView:
    """One cell as the page shows it; ``marks`` are (kind, text) pairs beside it."""

    index: int
    kind: str
    count: int | None
    source: Markup
    outputs: tuple[Rendered, ...]
    marks: tuple[tuple[str, str], ...]

    @property
    def framed(self) -> bool:
        """Say whether an output needs a frame of its own."""
        return any("<iframe" in output.html for output in self.outputs)


@dataclass(frozen=True)
class StageView:
    """A stage with its cells, Markdown before its code included; ``received`` is what crossed into it."""

    name: str
    hue: int
    plan: Stage
    ran: StageSummary | None
    received: CrossingView | None
    attempts: tuple[str, ...]
    cells: tuple[CellView, ...]


def write_report(
    notebook: Mapping[str, Any], summary: RunSummary, pipeline: Pipeline, recording: Recording, target: Path
) -> None:
    """Write the report of a run to ``target``, whole or not at all; ``notebook`` is the executed one (nbformat 4)."""
    write_page(report_page(notebook, summary, pipeline, recording), target)


def report_page(notebook: Mapping[str, Any], summary: RunSummary, pipeline: Pipeline, recording: Recording) -> Page:
    """Gather all that the report shows."""
    cells = _cell_views(notebook, summary)
    crossings = crossing_views(pipeline)
    stages = _stage_views(pipeline, summary, crossings, cells)
    name = Path(summary.notebook or recording.notebook).name
    context = {
        "summary": summary,
        "pipeline": pipeline,
        "recording": recording,
        "notebook_name": name,
        "meaning": meaning(summary),
        "recovery": recovery(summary),
        "error": _error(summary),
        "differences": [_difference(difference) for difference in summary.differences],
        "wide": svg(pipeline),
        "tall": svg(pipeline, columns=1),
        "timeline": timeline(summary),
        "crossings": crossings,
        "stages": stages,
        "hue": hue,
    }
    framed = any(cell.framed for cell in cells)
    scripted = any(output.scripted for cell in cells for output in cell.outputs)
    return Page("report.html.j2", f"{summary.verdict} · {name} — j2k", context, framed, scripted)


def _cell_views(notebook: Mapping[str, Any], summary: RunSummary) -> tuple[CellView, ...]:
    language = _language(notebook)
    return tuple(_cell_view(index, cell, summary, language) for index, cell in enumerate(notebook.get("cells", ())))


def _language(notebook: Mapping[str, Any]) -> str:
    metadata = notebook.get("metadata") or {}
    info, kernel = metadata.get("language_info") or {}, metadata.get("kernelspec") or {}
    return str(info.get("name") or kernel.get("language") or "python")


def _cell_view(index: int, cell: Mapping[str, Any], summary: RunSummary, language: str) -> CellView:
    kind = str(cell.get("cell_type", "raw"))
    source = cell.get("source", "")
    source = "".join(source) if isinstance(source, list) else str(source)
    if kind == "markdown":
        return CellView(index, kind, None, markdown_html(source, cell.get("attachments")), (), ())
    if kind != "code":
        return CellView(index, "raw", None, escape(source), (), ())
    outputs = render_outputs(cell.get("outputs", ()), cell_name(index))
    marks = tuple(_marks(index, cell, summary))
    return CellView(index, kind, cell.get("execution_count"), highlighted(source, language), outputs, marks)


def _marks(index: int, cell: Mapping[str, Any], summary: RunSummary) -> Iterable[tuple[str, str]]:
    if summary.error is not None and summary.error.cell == index:
        ended = summary.error.ename == PROCESS_ENDED
        yield "bad", "ended its own process" if ended else f"raised {summary.error.ename}"
    elif summary.verdict == "failed" and cell.get("execution_count") is None and cell.get("source"):
        yield "quiet", "not run"
    if any(difference.cell == index for difference in summary.differences):
        yield "warn", "differs from the notebook's own run"
    if index in summary.unstable:
        yield "odd", "unstable: the notebook itself gives something else each time it runs"


def _stage_views(
    pipeline: Pipeline, summary: RunSummary, crossings: Sequence[CrossingView], cells: Sequence[CellView]
) -> tuple[StageView, ...]:
    ran = {stage.name: stage for stage in summary.stages}
    received = {crossing.edge.target: crossing for crossing in crossings}
    parts = _parts(pipeline.stages, cells)
    return tuple(
        _stage_view(number, stage, ran.get(stage.name), received.get(stage.name), part)
        for number, (stage, part) in enumerate(zip(pipeline.stages, parts, strict=True))
    )


def _stage_view(
    number: int, stage: Stage, ran: StageSummary | None, received: CrossingView | None, cells: Sequence[CellView]
) -> StageView:
    history = ran.history if ran is not None else ()
    attempts = tuple(attempt_text(attempt) for attempt in history) if len(history) > 1 else ()
    return StageView(stage.name, hue(number), stage, ran, received, attempts, tuple(cells))


def _parts(stages: Sequence[Stage], cells: Sequence[CellView]) -> list[Sequence[CellView]]:
    """Cut the cells after the last code cell of each stage, so that a heading goes with the code it announces."""
    ends = [max(stage.cells, default=-1) + 1 for stage in stages[:-1]]
    starts = [0, *ends]
    return [cells[start:end] for start, end in zip(starts, [*ends, len(cells)], strict=True)] if stages else []


def _error(summary: RunSummary) -> dict[str, Any] | None:
    error = summary.error
    if error is None or not error.traceback:  # without one, the verdict says all there is
        return None
    return {"cell": error.cell, "html": error_html(error.traceback, error.ename, error.evalue)}


def _difference(difference: CellDifference) -> dict[str, Any]:
    expected, actual = _marked(difference.expected, difference.actual)
    return {"cell": difference.cell, "what": difference.what, "expected": expected, "actual": actual}


def _marked(expected: str, actual: str) -> tuple[Markup, Markup]:
    """Mark the words that only one of two texts has; where they have little in common, marks would say nothing."""
    left, right = _WORDS.findall(expected), _WORDS.findall(actual)
    matcher = difflib.SequenceMatcher(a=left, b=right, autojunk=False)
    if matcher.ratio() < _ALIKE:
        return escape(expected), escape(actual)
    sides: tuple[list[Markup], list[Markup]] = ([], [])
    for kind, left_start, left_end, right_start, right_end in matcher.get_opcodes():
        for side, words in zip(sides, (left[left_start:left_end], right[right_start:right_end]), strict=True):
            text = escape("".join(words))
            side.append(text if kind == "equal" or not words else Markup("<mark>{}</mark>").format(text))
    return Markup("").join(sides[0]), Markup("").join(sides[1])
