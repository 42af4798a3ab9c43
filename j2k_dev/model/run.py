"""A run of the pipeline: the message between stages, the results of stages, the verdict (``run.json``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from j2k_dev.model.recording import CellError

Verdict = Literal["equal", "different", "failed", "unverified"]


@dataclass(frozen=True)
class Message:
    """What travels on the bus: references only, the bytes are on the exchange. ``snapshot`` is None for the first.

    ``topics`` are those of the run's stages, by name, where workers are not told by other means: so no pod has to know
    of which version the next stage's are.
    """

    run: str
    stage: str
    snapshot: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    attempt: int = 1
    topics: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CellOutput:
    """What a cell put out in a stage: nbformat 4 output dictionaries."""

    index: int
    execution_count: int | None
    outputs: tuple[dict[str, Any], ...]
    seconds: float


@dataclass(frozen=True)
class StageResult:
    """The publication of one (run, stage): the first complete one wins.

    ``error`` is the user's; ``failure`` ours, by name (a state that can't be handed over, attempts used up).
    ``files`` is the blob that lists the working directory at the end; ``updates`` change outputs of earlier stages.
    """

    run: str
    stage: str
    attempt: int
    snapshot: str | None
    cells: tuple[CellOutput, ...]
    seconds: float
    restore_seconds: float = 0.0
    publish_seconds: float = 0.0
    snapshot_bytes: int = 0
    written_bytes: int = 0
    peak_bytes: int = 0
    error: CellError | None = None
    failure: str | None = None
    refused: bool = False
    files: str | None = None
    updates: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Attempt:
    """One try of one stage, for timelines; times are seconds since the epoch."""

    number: int
    started: float
    ended: float
    outcome: Literal["published", "raised", "lost", "refused", "running", "reused"]
    detail: str = ""


@dataclass(frozen=True)
class StageSummary:
    """What ``run.json`` says of one stage; sizes in bytes, times in seconds."""

    name: str
    cells: tuple[int, ...]
    attempts: int
    seconds: float
    restore_seconds: float = 0.0
    publish_seconds: float = 0.0
    snapshot_bytes: int = 0
    written_bytes: int = 0
    peak_bytes: int = 0
    history: tuple[Attempt, ...] = ()


@dataclass(frozen=True)
class CellDifference:
    """One output of one cell that is not what the recording has; ``expected`` and ``actual`` are short texts."""

    cell: int
    what: str
    expected: str
    actual: str


@dataclass(frozen=True)
class RunSummary:
    """``run.json``: the contract for tests from outside (DESIGN section 4)."""

    run: str
    engine: str
    verdict: Verdict
    stages: tuple[StageSummary, ...]
    unstable: tuple[int, ...] = ()
    differences: tuple[CellDifference, ...] = ()
    error: CellError | None = None
    failure: str | None = None
    notebook: str = ""
    pipeline: str = ""
    recording: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    started: float = 0.0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
