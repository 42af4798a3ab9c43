"""What actions tell the person who waits: steps, cells, stages, notes. How it looks is the command line's business."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

StageState = Literal["waiting", "running", "published", "reused", "lost", "raised", "refused"]


@dataclass(frozen=True)
class StageEvent:
    """A stage changed; ``detail`` says why where that is not plain (how it was lost, what raised)."""

    stage: str
    state: StageState
    attempt: int = 1
    detail: str = ""


@dataclass(frozen=True)
class PodsEvent:
    """The pods of a stage are so now: ``told`` counts them, ``trouble`` says what is wrong with one, if anything is."""

    stage: str
    told: str
    trouble: str = ""


class Ui(Protocol):
    """Where progress goes. Cells are named by their place in the notebook, counted from 0, Markdown included."""

    def step(self, title: str) -> AbstractContextManager[None]:
        """Show that something is being done (``recording analysis.ipynb``), and how long it took."""

    def note(self, text: str) -> None:
        """Say something worth knowing, in one sentence."""

    def stages(self, stages: Sequence[tuple[str, int]]) -> None:
        """Announce the stages of a run, in order: name and number of cells."""

    def stage(self, event: StageEvent) -> None:
        """Show that a stage changed."""

    def pods(self, event: PodsEvent) -> None:
        """Show that the pods of a stage changed."""

    def cell_started(self, stage: str | None, index: int, total: int, text: str = "") -> None:
        """Show that a cell runs: in a stage or, without one, in the recording, of ``total`` cells there."""

    def cell_finished(self, stage: str | None, index: int, total: int, seconds: float) -> None:
        """Show that a cell ended."""
