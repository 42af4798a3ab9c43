"""The pipeline: stages and what crosses between them, independent of where it runs (``pipeline.json``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Split = Literal["auto", "tags", "headings", "cells"]


@dataclass(frozen=True)
class Stage:
    """Consecutive code cells (indices into the notebook) that run in one process.

    ``pruned`` are names that no later cell reads and that are not handed on; ``seconds`` and ``peak_bytes`` are what
    the recording measured.
    """

    name: str
    cells: tuple[int, ...]
    modules: tuple[str, ...]
    pruned: tuple[str, ...]
    seconds: float
    peak_bytes: int


@dataclass(frozen=True)
class Crossing:
    """A name that crosses an edge; bytes as measured by the recording."""

    name: str
    type: str
    bytes: int


@dataclass(frozen=True)
class Edge:
    """What one stage hands to the next; ``why`` says why the boundary is where it is, notes included."""

    source: str
    target: str
    crossings: tuple[Crossing, ...]
    bytes: int
    why: str


@dataclass(frozen=True)
class Pipeline:
    """Stages in the order of the notebook, edges between them, and what was noted while planning."""

    name: str
    recording: str
    split: Split
    stages: tuple[Stage, ...]
    edges: tuple[Edge, ...]
    notes: tuple[str, ...] = ()
