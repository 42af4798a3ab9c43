"""One stage in one process: restore the state, run the cells, publish the new state.

``prepare`` does what can be done before there is a message: the shell and the imports. What it returns is called once.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.inputtransformer2 import TransformerManager

from j2k_dev.model.codec import from_plain
from j2k_dev.model.errors import Refused
from j2k_dev.worker.blobs import BlobStore
from j2k_dev.worker.exchange import Exchange
from j2k_dev.worker.execution import result_of, run_cells, stored_files
from j2k_dev.worker.files import FileManifest, WorkLock, manifest_from_json, materialise
from j2k_dev.worker.hidden import CARRIERS, Carrier, note_start
from j2k_dev.worker.hidden.changes import library_changes
from j2k_dev.worker.liveness import alive, peak_bytes, reset_peak
from j2k_dev.worker.shell import NotebookShell, start_shell
from j2k_dev.worker.snapshot import CannotHandOver, Restorer, import_modules, take
from j2k_dev.worker.spec import StageSpec
from j2k_dev.worker.state.library import library_index

if TYPE_CHECKING:
    from collections.abc import Callable

    from j2k_dev.model.run import Message, StageResult
    from j2k_dev.worker.execution import Progress


def warm_up() -> None:
    """Do before workers are forked what each of them would do: index the libraries, compile IPython's patterns."""
    library_index().refresh()
    TransformerManager().transform_cell("0\n")


def prepare(spec: StageSpec | dict[str, Any]) -> Callable[[Message, Progress], StageResult]:
    """Make the shell and import what the stage will need; return what executes the one message."""
    stage = spec if isinstance(spec, StageSpec) else from_plain(StageSpec, spec)
    shell = start_shell()
    hidden = (*CARRIERS, library_changes(stage.changes), *_displays(shell))
    shell.within(note_start, shell.ip, hidden)
    _import_libraries(stage)
    library_index().refresh()
    return _Execution(stage, shell, hidden)


def _import_libraries(spec: StageSpec) -> None:
    """Import the stage's libraries, but nothing from the working directory, whose files are not there yet."""
    path = list(sys.path)
    sys.path[:] = [entry for entry in path if entry and not entry.startswith(spec.work)]
    try:
        import_modules(spec.stage.modules)
    finally:
        sys.path[:] = path


def _displays(shell: NotebookShell) -> tuple[Carrier, ...]:
    """Carry where displays were shown, so that an update in a later stage finds them."""

    def restore(_ip: Any, displays: Any) -> None:
        shell.collector.displays = displays

    return (Carrier("displays", lambda _ip: shell.collector.displays, restore, "after"),)


class _Execution:
    """The one attempt of a stage that this process makes."""

    def __init__(self, spec: StageSpec, shell: NotebookShell, hidden: tuple[Carrier, ...]) -> None:
        self._spec = spec
        self._shell = shell
        self._hidden = hidden
        self._store = BlobStore(Path(spec.exchange) / "blobs")
        self._snapshots = Path(spec.exchange) / "snapshots"
        self._files: FileManifest = {}

    def __call__(self, message: Message, progress: Progress) -> StageResult:
        """Execute the message; what the notebook raised is a result, not an exception."""
        started = time.perf_counter()
        with WorkLock(Path(self._spec.work)):
            try:
                self._shell.within(self._restore, message)
            except CannotHandOver as error:
                return self._refused(message, started, f"the state can't be read back: {error}")
            restored = time.perf_counter()
            progress("restored", {"seconds": restored - started})
            reset_peak()
            cells, raised = run_cells(self._shell, self._spec.cells_with(message.parameters), progress)
            done = time.perf_counter()
            progress("ran", {"seconds": done - restored})
            result = result_of(message, self._shell.collector, cells, done - started, raised)
            result = replace(result, restore_seconds=restored - started, peak_bytes=peak_bytes())
            return self._published(result, done, progress)

    def _restore(self, message: Message) -> None:
        if message.snapshot is None:
            self._lay_out(manifest_from_json(Exchange(Path(self._spec.exchange)).inputs(message.run).read_bytes()))
            return
        restorer = Restorer(self._snapshots / message.snapshot, self._store, copy=self._spec.copy)
        self._lay_out(manifest_from_json(self._store.read(restorer.header.files["manifest"])))
        restorer.before(self._shell.ip, self._hidden)
        import_modules(self._spec.stage.modules)
        restorer.variables(self._shell.ip)
        restorer.after(self._shell.ip, self._hidden)

    def _lay_out(self, files: FileManifest) -> None:
        materialise(files, Path(self._spec.work), self._store)
        os.chdir(self._spec.work)
        self._files = files

    def _published(self, result: StageResult, since: float, progress: Progress) -> StageResult:
        """Publish files and, for a next stage, the state; a state that can't travel is a refusal, not a result."""
        try:
            result = replace(result, files=stored_files(Path(self._spec.work), self._files, self._store))
            if result.error is None and not self._spec.last:
                result = self._with_snapshot(result, lambda: progress("writing-snapshot", {}))
        except (CannotHandOver, Refused) as error:
            return replace(result, failure=str(error), refused=True)
        written = self._store.written_bytes
        return replace(result, publish_seconds=time.perf_counter() - since, written_bytes=written)

    def _with_snapshot(self, result: StageResult, meanwhile: Callable[[], object]) -> StageResult:
        for obstacle in alive(self._shell):
            raise CannotHandOver("what still runs", obstacle)
        pruned = self._spec.stage.pruned
        files = {"manifest": result.files}
        snapshot = self._shell.within(
            take, self._shell.ip, self._hidden, self._store, self._snapshots, files, pruned, meanwhile
        )
        return replace(result, snapshot=snapshot.sha256, snapshot_bytes=snapshot.bytes)

    def _refused(self, message: Message, started: float, reason: str) -> StageResult:
        result = result_of(message, self._shell.collector, (), time.perf_counter() - started)
        return replace(result, failure=reason, refused=True)
