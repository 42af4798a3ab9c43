"""What crosses each boundary, as page and terminal show it: the largest names first, the rest summed up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from j2k_dev.model.pipeline import Crossing, Edge, Pipeline

_NAMES_SHOWN = 4
_HUES = 8


@dataclass(frozen=True)
class CrossingView:
    """What one boundary handed over; ``share`` of the largest one in per cent."""

    edge: Edge
    hue: int
    largest: tuple[Crossing, ...]
    others: int
    others_bytes: int
    share: float


def hue(number: int) -> int:
    """Give the colour number of a stage, the same in graph, timeline and notebook."""
    return number % _HUES


def crossing_views(pipeline: Pipeline) -> tuple[CrossingView, ...]:
    """Summarise every edge of the pipeline, in its order."""
    order = {stage.name: number for number, stage in enumerate(pipeline.stages)}
    most = max((edge.bytes for edge in pipeline.edges), default=0) or 1
    return tuple(_crossing(edge, hue(order[edge.target]), 100 * edge.bytes / most) for edge in pipeline.edges)


def _crossing(edge: Edge, colour: int, share: float) -> CrossingView:
    ordered = sorted(edge.crossings, key=lambda crossing: -crossing.bytes)
    largest, others = tuple(ordered[:_NAMES_SHOWN]), ordered[_NAMES_SHOWN:]
    return CrossingView(edge, colour, largest, len(others), sum(other.bytes for other in others), round(share, 1))
