"""The recorder of notebooks whose kernel is not Python: outputs, times and files; names and state stay unknown."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from j2k_dev.model.codec import to_plain
from j2k_dev.model.recording import Boundary, CellError, CellRecord, FileUse, InputScope
from j2k_dev.recording.report import Report, record_as_told
from j2k_dev.recording.spec import UNFINISHED, RecorderSpec
from j2k_dev.recording.trace import TraceOfCell
from j2k_dev.worker.blobs import BlobStore
from j2k_dev.worker.files import FileManifest, WorkLock, changes, manifest_from_json, manifest_to_json, scan
from j2k_dev.worker.foreign import ForeignKernel, running
from j2k_dev.worker.foreign_stage import CONNECTION
from j2k_dev.worker.journal import Journal

if TYPE_CHECKING:
    from j2k_dev.worker.spec import CellSource

NOT_PYTHON = "the state of a kernel that is not Python"


class ForeignRecorder:
    """Runs cell after cell in the kernel and reports each."""

    def __init__(self, spec: RecorderSpec, report: Report, kernel: ForeignKernel) -> None:
        self._work = Path(spec.work)
        self._report = report
        self._kernel = kernel
        self._store = BlobStore(Path(spec.exchange) / "blobs")
        self._files: FileManifest = manifest_from_json(Path(spec.inputs).read_bytes())
        kernel.collector.journal = Journal(Path(spec.inputs).with_name(UNFINISHED))

    def record(self, cells: tuple[CellSource, ...]) -> None:
        """Run the notebook; end early where a cell raises that may not."""
        error = None
        for cell in cells:
            record = self._cell(cell)
            boundary = Boundary(cell.index, (), 0, (NOT_PYTHON,))
            self._report.tell("cell", record=to_plain(record), boundary=to_plain(boundary))
            if record.error is not None and not cell.may_raise:
                error = record.error
                break
        self._kernel.settle()
        self._finish(error)

    def _cell(self, cell: CellSource) -> CellRecord:
        self._report.tell("cell-started", cell=cell.index)
        self._kernel.reset_peak()
        run = self._kernel.run(cell.source, cell.index)
        peak = self._kernel.peak_bytes()
        self._report.tell("cell-finished", cell=cell.index, seconds=run.wall_seconds)
        return CellRecord(
            index=cell.index,
            execution_count=run.execution_count,
            outputs=run.outputs,
            wall_seconds=run.wall_seconds,
            cpu_seconds=run.cpu_seconds,
            peak_bytes=peak,
            files=self._file_uses(),
            error=run.error,
        )

    def _file_uses(self) -> tuple[FileUse, ...]:
        """Tell what changed in the working directory; what is only read can't be seen."""
        now = scan(self._work, self._files, self._store)
        changed = changes(self._files, now)
        self._files = now
        return TraceOfCell().uses(self._work, changed)

    def _finish(self, error: CellError | None) -> None:
        collector = self._kernel.collector
        outputs = {index: collector.finished(index) for index in collector.cells}
        files = self._store.put(memoryview(manifest_to_json(self._files).encode())).sha256
        told = {"outputs": outputs, "changes": [], "files": files, "error": to_plain(error)}
        self._report.tell("end", scope=to_plain(InputScope()), **told)


def _record(spec: RecorderSpec, report: Report) -> None:
    """Record alone in the working directory."""
    work = Path(spec.work)
    with WorkLock(work), running(spec.kernel, work, Path(spec.exchange) / CONNECTION) as kernel:
        ForeignRecorder(spec, report, kernel).record(spec.cells)


def main(argv: list[str]) -> None:
    """Record what the spec (a JSON file) names and report to the file descriptor given."""
    record_as_told(argv, _record)


if __name__ == "__main__":
    main(sys.argv[1:])
