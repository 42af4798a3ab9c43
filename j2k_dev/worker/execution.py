"""What every stage does, whatever kernel it has: run its cells one after the other, list its files, tell its result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from j2k_dev.model.recording import CellError
from j2k_dev.model.run import CellOutput, Message, StageResult
from j2k_dev.worker.files import FileManifest, manifest_to_json, scan

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from j2k_dev.worker.blobs import BlobStore
    from j2k_dev.worker.outputs import Collector, Output
    from j2k_dev.worker.spec import CellSource

Progress = Callable[[str, dict[str, Any]], None]


@dataclass(frozen=True)
class CellRun:
    """What running one cell gave; seconds of wall clock and of processor time."""

    outputs: tuple[Output, ...]
    execution_count: int | None
    wall_seconds: float
    cpu_seconds: float
    error: CellError | None


class Runner(Protocol):
    """Runs cells: IPython's shell in this process, or a kernel of another language."""

    @property
    def collector(self) -> Collector:
        """Return what collects the outputs."""

    def run(self, source: str, index: int, cell_id: str | None = None) -> CellRun:
        """Run a cell to its end."""


def run_cells(
    runner: Runner, cells: Iterable[CellSource], progress: Progress
) -> tuple[tuple[CellOutput, ...], CellError | None]:
    """Run cells until one raises that may not."""
    done: list[CellOutput] = []
    error = None
    for cell in cells:
        try:
            progress("cell-started", {"cell": cell.index})
        except KeyboardInterrupt:  # between two cells: it is the next one's, as in Jupyter
            error = CellError(cell.index, "KeyboardInterrupt", "", ("KeyboardInterrupt",))
            break
        run = runner.run(cell.source, cell.index, cell.id)
        done.append(CellOutput(cell.index, run.execution_count, run.outputs, run.wall_seconds))
        progress("cell-finished", {"cell": cell.index, "seconds": run.wall_seconds})
        if run.error is not None and not cell.may_raise:
            error = run.error
            break
    return tuple(done), error


def result_of(
    message: Message, collector: Collector, cells: Iterable[CellOutput], seconds: float, error: CellError | None = None
) -> StageResult:
    """Put the result of a stage together, with outputs as they are at the end, without what is published beside it."""
    final = tuple(replace(cell, outputs=collector.finished(cell.index)) for cell in cells)
    updates = tuple(collector.updates)
    return StageResult(message.run, message.stage, message.attempt, None, final, seconds, error=error, updates=updates)


def stored_files(work: Path, before: FileManifest, store: BlobStore) -> str:
    """Store what the working directory holds now, and return the blob that lists it."""
    files = scan(work, before, store)
    return store.put(memoryview(manifest_to_json(files).encode())).sha256
