"""The pipeline as a graph: Mermaid text for documents, SVG for pages, one line of text for terminals."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from j2k_dev.report.crossings import crossing_views, hue
from j2k_dev.report.units import cell_ranges, human_bytes, human_seconds, plural, shortened

if TYPE_CHECKING:
    from pathlib import Path

    from j2k_dev.model.pipeline import Edge, Pipeline, Stage
    from j2k_dev.model.recording import Recording

_WIDTH, _HEIGHT = 184, 60  # of a node, in pixels
_ACROSS, _DOWN = 88, 50  # between nodes
_NAME_LENGTH = 18  # letters that fit a node

_NODE = Markup(
    '<a href="#stage-{name}" class="graph-node hue-{hue}"><title>{title}</title>'
    '<rect class="graph-box" x="{x}" y="{y}" width="{width}" height="{height}" rx="8"/>'
    '<rect class="graph-bar" x="{x}" y="{bar}" width="4" height="{tall}" rx="2"/>'
    '<text class="graph-name" x="{text}" y="{first}">{short}</text>'
    '<text class="graph-fact" x="{text}" y="{second}">{fact}</text></a>'
)
_EDGE = Markup(
    '<g><title>{title}</title><path class="graph-line" d="{line}"/><path class="graph-head" d="{head}"/>'
    '<text class="graph-size" x="{x}" y="{y}" text-anchor="{anchor}">{size}</text></g>'
)


@dataclass(frozen=True)
class _Place:
    row: int
    column: int

    @property
    def x(self) -> int:
        return 1 + self.column * (_WIDTH + _ACROSS)

    @property
    def y(self) -> int:
        return 1 + self.row * (_HEIGHT + _DOWN)


def mermaid(pipeline: Pipeline) -> str:
    """Write the pipeline as a Mermaid flow chart; nodes have neutral ids, as Mermaid has reserved words."""
    ids = {stage.name: f"s{number}" for number, stage in enumerate(pipeline.stages, 1)}
    nodes = [f'{ids[stage.name]}["{_mermaid_text(stage.name)}<br/>{_fact(stage)}"]' for stage in pipeline.stages]
    edges = [f'{ids[edge.source]} -->|"{human_bytes(edge.bytes)}"| {ids[edge.target]}' for edge in pipeline.edges]
    return "\n    ".join(["flowchart LR", *nodes, *edges]) + "\n"


def one_line(pipeline: Pipeline) -> str:
    """Write the chain of stages with what crosses: ``load ─ 1.5 MB → fit``."""
    sizes = {(edge.source, edge.target): human_bytes(edge.bytes) for edge in pipeline.edges}
    names = [stage.name for stage in pipeline.stages]
    links = [f" ─ {sizes.get(pair, '0 B')} → {pair[1]}" for pair in itertools.pairwise(names)]
    return "".join([*names[:1], *links])


def svg(pipeline: Pipeline, columns: int = 4) -> Markup:
    """Draw the pipeline with ``columns`` stages in a row; colours and fonts come from the page's style sheet."""
    places = {stage.name: _Place(*divmod(number, columns)) for number, stage in enumerate(pipeline.stages)}
    rows = max((place.row for place in places.values()), default=0) + 1
    width = 2 + min(columns, len(places)) * (_WIDTH + _ACROSS) - _ACROSS
    height = 2 + rows * (_HEIGHT + _DOWN) - _DOWN
    drawn = [_draw_edge(edge, places[edge.source], places[edge.target]) for edge in pipeline.edges]
    drawn += [_draw_node(stage, number, places[stage.name]) for number, stage in enumerate(pipeline.stages)]
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" class="graph" viewBox="0 0 {w} {h}" width="{w}" height="{h}"'
        ' role="group" aria-label="{label}">{inner}</svg>'
    ).format(w=width, h=height, label=f"Pipeline: {one_line(pipeline)}", inner=Markup("").join(drawn))


def plan_page(pipeline: Pipeline, recording: Recording, target: Path) -> None:
    """Write the plan as one self-contained HTML page."""
    from j2k_dev.report.page import Page, write_page  # noqa: PLC0415 - a terminal needs no templates

    context = {
        "pipeline": pipeline,
        "recording": recording,
        "cell_count": sum(len(stage.cells) for stage in pipeline.stages),
        "wide": svg(pipeline),
        "tall": svg(pipeline, columns=1),
        "crossings": crossing_views(pipeline),
        "hue": hue,
    }
    write_page(Page("plan.html.j2", f"{pipeline.name} — plan", context), target)


def _draw_node(stage: Stage, number: int, place: _Place) -> Markup:
    return _NODE.format(
        name=stage.name,
        hue=hue(number),
        title=f"{stage.name}: {cell_ranges(stage.cells)}, {human_seconds(stage.seconds)}, "
        f"peak memory {human_bytes(stage.peak_bytes)}",
        x=place.x,
        y=place.y,
        width=_WIDTH,
        height=_HEIGHT,
        bar=place.y + 12,
        tall=_HEIGHT - 24,
        text=place.x + 16,
        first=place.y + 26,
        second=place.y + 45,
        short=shortened(stage.name, _NAME_LENGTH),
        fact=_fact(stage),
    )


def _draw_edge(edge: Edge, source: _Place, target: _Place) -> Markup:
    line, head, (x, y), anchor = _route(source, target)
    title = f"{edge.source} → {edge.target}: {human_bytes(edge.bytes)}. {edge.why}"
    return _EDGE.format(title=title, line=line, head=head, x=x, y=y, anchor=anchor, size=human_bytes(edge.bytes))


def _route(source: _Place, target: _Place) -> tuple[str, str, tuple[int, int], str]:
    """Find line, arrow head, place and alignment of the label between two nodes."""
    if source.row == target.row and target.column == source.column + 1:
        left, right, y = source.x + _WIDTH, target.x, source.y + _HEIGHT // 2
        return f"M{left} {y}H{right - 6}", _head(right, y, 0), ((left + right) // 2 - 2, y - 8), "middle"
    start, end, bottom = source.x + _WIDTH // 2, target.x + _WIDTH // 2, source.y + _HEIGHT
    if start == end:
        return f"M{start} {bottom}V{target.y - 6}", _head(end, target.y, 1), (start + 10, bottom + 30), "start"
    middle, turn = bottom + _DOWN // 2, 8 if end > start else -8
    arrow_at = target.y if target.row > source.row else target.y + _HEIGHT
    side = 1 if target.row > source.row else -1
    line = (
        f"M{start} {bottom}V{middle - 8}Q{start} {middle} {start + turn} {middle}"
        f"H{end - turn}Q{end} {middle} {end} {middle + 8 * side}V{arrow_at - 6 * side}"
    )
    return line, _head(end, arrow_at, side), ((start + end) // 2, middle - 6), "middle"


def _head(x: int, y: int, down: int) -> str:
    if down:
        return f"M{x} {y}l-4.5 {-8 * down}h9z"
    return f"M{x} {y}l-8 -4.5v9z"


def _fact(stage: Stage) -> str:
    return f"{plural(len(stage.cells), 'cell')} · {human_seconds(stage.seconds)}"


def _mermaid_text(text: str) -> str:
    return text.replace("#", "#35;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")
