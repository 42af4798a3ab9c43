"""The recorder: runs the whole notebook once, in order, in the notebook's own interpreter, and notes what cells did.

Runs as a program of its own. What it finds goes as JSON lines to a file descriptor, cell by cell, so that nothing is
lost of what was done before a cell raises, blocks or kills the process.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from j2k_dev.model.codec import to_plain
from j2k_dev.model.recording import Boundary, CellAnalysis, CellError, CellRecord, FileOperation, FileUse, InputScope
from j2k_dev.notebook.analysis import analyse_cell
from j2k_dev.recording.fingerprints import Fingerprints
from j2k_dev.recording.report import Report, record_as_told
from j2k_dev.recording.spec import UNFINISHED, RecorderSpec
from j2k_dev.recording.trace import TraceOfCell, Tracer
from j2k_dev.recording.watch import Watcher
from j2k_dev.worker.blobs import BlobStore
from j2k_dev.worker.files import FileManifest, WorkLock, changes, manifest_from_json, manifest_to_json, scan
from j2k_dev.worker.hidden import CARRIERS, note_start
from j2k_dev.worker.liveness import alive, peak_bytes, reset_peak
from j2k_dev.worker.shell import NotebookShell, start_shell
from j2k_dev.worker.snapshot import hidden_obstacles, variables

if TYPE_CHECKING:
    from collections.abc import Iterable

    from j2k_dev.worker.execution import CellRun
    from j2k_dev.worker.spec import CellSource


class Recorder:
    """Runs cell after cell and reports each."""

    def __init__(self, spec: RecorderSpec, report: Report) -> None:
        self._spec = spec
        self._tell = report.tell
        self._shell: NotebookShell = start_shell(Path(spec.inputs).with_name(UNFINISHED))
        self._shell.within(note_start, self._shell.ip, CARRIERS)
        self._store = BlobStore(Path(spec.exchange) / "blobs")
        self._files: FileManifest = manifest_from_json(Path(spec.inputs).read_bytes())
        self._prints = Fingerprints()
        self._watcher = Watcher()
        self._tracer = Tracer(Path(spec.work)) if spec.trace else None
        self._changes: dict[str, None] = {}
        self._everything = self._tracer is None
        self._read: dict[str, None] = {}
        self._listed: dict[str, None] = {}
        self._seconds = 0.0

    def record(self) -> None:
        """Run the notebook, alone in the working directory; end early where a cell raises that may not."""
        with WorkLock(Path(self._spec.work)):
            self._record()

    def _record(self) -> None:
        os.chdir(self._spec.work)
        self._watcher.start()
        if self._tracer is not None:
            self._tracer.start()
        error = None
        for cell in self._spec.cells:
            record, boundary = self._cell(cell)
            self._tell("cell", record=to_plain(record), boundary=to_plain(boundary))
            if record.error is not None and not cell.may_raise:
                error = record.error
                break
        self._finish(error)

    def _cell(self, cell: CellSource) -> tuple[CellRecord, Boundary]:
        self._tell("cell-started", cell=cell.index)
        analysis = self._analysis(cell)
        modules = set(sys.modules)
        reset_peak()
        if self._tracer is not None:
            self._tracer.cell()  # forget what this program itself opened since the last cell
        run = self._shell.run(cell.source, cell.index, cell.id)
        peak = peak_bytes()
        self._seconds += run.wall_seconds
        self._tell("cell-finished", cell=cell.index, seconds=run.wall_seconds)
        files, operations = self._file_uses()  # before anything else here opens one
        named = {*analysis.reads, *analysis.binds, *analysis.words}
        live = variables(self._shell.ip)
        changed, live_now = self._shell.within(self._prints.after_cell, cell.index, live, named, self._seconds)
        record = CellRecord(
            index=cell.index,
            execution_count=run.execution_count,
            outputs=run.outputs,
            wall_seconds=run.wall_seconds,
            cpu_seconds=run.cpu_seconds,
            peak_bytes=peak,
            bound=changed.bound,
            changed=changed.changed,
            deleted=changed.deleted,
            files=files,
            modules=tuple(_importable(set(sys.modules) - modules)),
            analysis=analysis,
            error=self._error(cell, run),
            operations=operations,
        )
        boundary = Boundary(cell.index, live_now, sum(each.bytes for each in live_now), self._obstacles(cell))
        return record, boundary

    def _analysis(self, cell: CellSource) -> CellAnalysis:
        try:
            return analyse_cell(self._shell.ip.transform_cell(cell.source))
        except Exception as error:  # noqa: BLE001 - a cell that does not parse raises when it runs; nothing is known of it
            return CellAnalysis(dynamic=(f"the cell can't be read: {error}",))

    def _file_uses(self) -> tuple[tuple[FileUse, ...], tuple[FileOperation, ...]]:
        """Combine what the tracer saw being opened with what changed in the working directory."""
        trace = self._tracer.cell() if self._tracer is not None else TraceOfCell()
        self._note_scope(trace)
        now = scan(Path(self._spec.work), self._files, self._store)
        changed = changes(self._files, now)
        self._files = now
        return trace.uses(Path(self._spec.work), changed), trace.operations

    def _note_scope(self, trace: TraceOfCell) -> None:
        self._everything = self._everything or bool(trace.programs)
        self._read.update(dict.fromkeys(path for path in trace.read if not path.startswith("/")))
        self._listed.update(dict.fromkeys(path for path in trace.listed if not path.startswith("/")))

    def _obstacles(self, cell: CellSource) -> tuple[str, ...]:
        """Name what keeps a boundary here from being safe, besides variables; carry on to note library changes."""
        noted = self._watcher.after_cell(cell.source)
        self._changes.update(dict.fromkeys(change.path for change in noted if change.carried))
        refused = tuple(f"{change.path} was changed and can't be handed over" for change in noted if change.refused)
        hidden = self._shell.within(hidden_obstacles, self._shell.ip, CARRIERS)
        return (*refused, *alive(self._shell), *hidden)

    def _error(self, cell: CellSource, run: CellRun) -> CellError | None:
        if self._shell.ip.exit_now and cell is not self._spec.cells[-1]:
            return CellError(cell.index, "KernelExit", "the cell asked the kernel to exit", ())
        return run.error

    def _finish(self, error: CellError | None) -> None:
        files = self._store.put(memoryview(manifest_to_json(self._files).encode())).sha256
        collector = self._shell.collector
        outputs = {index: collector.finished(index) for index in collector.cells if index >= 0}
        scope = to_plain(InputScope(self._everything, tuple(self._read), tuple(self._listed)))
        told = {"outputs": outputs, "changes": list(self._changes), "files": files, "error": to_plain(error)}
        self._tell("end", scope=scope, **told)


def _importable(names: Iterable[str]) -> Iterable[str]:
    """Keep, in the order of import, the modules that have a name to import them by."""
    wanted = set(names)
    return (name for name, module in list(sys.modules.items()) if name in wanted and _has_spec(module))


def _has_spec(module: Any) -> bool:
    return getattr(module, "__spec__", None) is not None


def main(argv: list[str]) -> None:
    """Record what the spec (a JSON file) names and report to the file descriptor given."""
    record_as_told(argv, lambda spec, report: Recorder(spec, report).record())


if __name__ == "__main__":
    main(sys.argv[1:])
