"""Record: run the whole notebook once, in order, in a fresh interpreter. Skipped where that recording exists."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import time
from typing import TYPE_CHECKING, Any

from j2k_dev.actions.context import Context, UpOptions, cell_sources, inputs_digest, with_notebook
from j2k_dev.actions.leftovers import remove_damaged
from j2k_dev.actions.outside import outside_notes
from j2k_dev.actions.results import files_at_end
from j2k_dev.engine import reprozip
from j2k_dev.engine.recorder import Recorded, Tracing, run_recorder
from j2k_dev.engine.workspace import read_json, write_json, write_text
from j2k_dev.model.codec import CodecError
from j2k_dev.model.errors import MachineryFailed, Refused
from j2k_dev.model.packing import pack, unpack
from j2k_dev.model.recording import Boundary, CellRecord, Recording
from j2k_dev.recording.spec import UNFINISHED, RecorderSpec
from j2k_dev.worker.blobs import BlobDamaged
from j2k_dev.worker.files import WorkLock, changed_originals, manifest_to_json, materialise, watch_originals
from j2k_dev.worker.journal import Unfinished, unfinished

if TYPE_CHECKING:
    from pathlib import Path

    from j2k_dev.actions.ui import Ui
    from j2k_dev.notebook.source import NotebookFile


UNSTABLE = "unstable.json"
_OBSTACLES = "obstacles.json"


class RecordingStopped(MachineryFailed):
    """The recording did not get to its end, and not because the notebook raised; ``recording`` is what there is."""

    def __init__(self, failure: MachineryFailed, recording: Recording, notebook: NotebookFile) -> None:
        super().__init__(failure.message, failure.way_out, failure.detail)
        self.recording = recording
        self.notebook = notebook


class Record:
    """Makes the recording that the plan comes from, and says which recording is the oracle."""

    def execute(self, context: Context) -> Context:
        """Record what is not recorded yet.

        With parameters, the recording of the notebook as it is serves for planning, unless one with these parameters
        exists or is asked for (``--verify``).
        """
        if context.options.parameters and not context.options.verify:
            oracle = find_recording(context, context.notebook)
            planned = oracle or ensure_recording(context, context.original)
        else:
            oracle = planned = ensure_recording(context, context.notebook)
        notes = _noted(context, planned)
        return dataclasses.replace(context, recording=planned, oracle=oracle, notes=(*context.notes, *notes))


def record(options: UpOptions, ui: Ui) -> Recording:
    """Record a notebook, unless nothing has changed since it was recorded."""
    return with_notebook(options, ui, _recorded_and_noted)


def _recorded_and_noted(context: Context) -> Recording:
    recording = ensure_recording(context, context.notebook)
    _noted(context, recording)
    return recording


def _noted(context: Context, recording: Recording) -> tuple[str, ...]:
    notes = outside_notes(recording, context.workspace.work)
    for note in notes:
        context.ui.note(note)
    return notes


def ensure_recording(context: Context, notebook: NotebookFile) -> Recording:
    """Return the recording of ``notebook``, made now if need be; one that ended with an error is made again."""
    known = None if context.options.fresh else find_recording(context, notebook)
    if known is not None:
        return known
    made = make_recording(context, notebook, context.recording_key(notebook))
    path = context.workspace.recording(made.key)
    for learnt in (_OBSTACLES, UNSTABLE):  # from the recording that this one replaces
        path.with_name(learnt).unlink(missing_ok=True)
    write_json(path, pack(made))
    return made


def find_recording(context: Context, notebook: NotebookFile) -> Recording | None:
    """Return a complete recording of ``notebook``, with what later runs found out about its boundaries."""
    recording = latest_recording(context, notebook)
    if recording is None or recording.error is not None:
        return None
    if recording.inputs != inputs_digest(context.inputs, notebook, recording.scope):
        return None
    if not _lists_its_files(context, recording):
        return None
    return _with_obstacles(recording, found_obstacles(context, recording))


def _lists_its_files(context: Context, recording: Recording) -> bool:
    try:
        files_at_end(context, recording.files)
    except BlobDamaged as damaged:
        context.ui.note(f"{damaged.message}: the notebook is recorded again")
        remove_damaged(context.workspace)
        return False
    return True


def latest_recording(context: Context, notebook: NotebookFile) -> Recording | None:
    """Return the recording of exactly this text, also one that ended with an error or has had other inputs."""
    path = context.workspace.recording(context.recording_key(notebook))
    plain = read_json(path, context.ui.note)
    try:
        return None if plain is None else unpack(plain)
    except CodecError as error:
        context.ui.note(f"{path} is of another version of j2k and is made again ({error})")
        return None


def make_recording(context: Context, notebook: NotebookFile, key: str) -> Recording:
    """Run the notebook from its first cell to its last, in the working directory as it was at the start."""
    folder = context.workspace.recording(key).parent
    inputs = folder / "inputs.json"
    write_text(inputs, manifest_to_json(context.inputs.manifest))
    cells = cell_sources(notebook)
    work = context.inputs.work
    exchange, traced = str(context.workspace.exchange), context.trace != "none"
    spec = RecorderSpec(cells, str(work), exchange, str(inputs), traced, context.foreign_kernel)
    with context.ui.step(f"recording {notebook.path.name}"), _originals_untouched(context):
        started = time.monotonic()
        recorded = _recorded(context, notebook, spec, folder)
        if recorded.killed:
            context.ui.note("the recorder was killed, which need not be the notebook's doing: recording once more")
            recorded = _killed_again(_recorded(context, notebook, spec, folder))
    recording = _recording(context, notebook, key, recorded, time.monotonic() - started)
    if recorded.failure is not None:
        raise RecordingStopped(recorded.failure, recording, notebook)
    return recording


def _killed_again(recorded: Recorded) -> Recorded:
    if not recorded.killed or recorded.error is None:
        return recorded
    error = dataclasses.replace(
        recorded.error, evalue=recorded.error.evalue.replace("was killed", "was killed twice,", 1)
    )
    return dataclasses.replace(recorded, error=error)


def _recorded(context: Context, notebook: NotebookFile, spec: RecorderSpec, folder: Path) -> Recorded:
    with WorkLock(context.inputs.work):
        materialise(context.inputs.manifest, context.inputs.work, context.store)
    progress = _Progress(context, notebook)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder / UNFINISHED, ignore_errors=True)
        recorded = _traced(context, spec, folder, progress)
        return _with_unfinished(recorded, progress.running, unfinished(folder / UNFINISHED))


def _traced(context: Context, spec: RecorderSpec, folder: Path, progress: _Progress) -> Recorded:
    timeout = context.options.timeout
    if context.trace != "reprozip":
        return run_recorder(context.launcher, spec, folder, progress, timeout)
    python, raw = reprozip.tracer(context.launcher.python), folder / "trace-unfinished"
    tracing = Tracing(lambda command: reprozip.wrap(python, raw, command), reprozip.ENVIRONMENT)
    recorded = run_recorder(context.launcher, spec, folder, progress, timeout, tracing)
    if not recorded.killed and recorded.failure is None:
        reprozip.keep(python, raw, folder / "trace")
    return recorded


def _with_unfinished(recorded: Recorded, cell: int | None, left: Unfinished) -> Recorded:
    """Add the cell that did not get to its end, with what it had put out until then."""
    if cell is None:
        return recorded
    count = max((done.execution_count or 0 for done in recorded.cells), default=0) + 1
    error = recorded.error
    if error is not None and left.last_line:
        error = dataclasses.replace(error, evalue=f"{error.evalue}; the last it printed was {left.last_line[:200]!r}")
    record = CellRecord(cell, count, left.outputs, 0.0, 0.0, 0, error=error)
    return dataclasses.replace(recorded, cells=(*recorded.cells, record), error=error)


class _Progress:
    """Passes the recorder's events on to whoever waits; knows which cell is running."""

    def __init__(self, context: Context, notebook: NotebookFile) -> None:
        self._ui = context.ui
        self._notebook = notebook
        self._total = len(cell_sources(notebook))
        self.running: int | None = None

    def __call__(self, event: str, cell: int, seconds: float) -> None:
        self.running = cell if event == "cell-started" else None
        if event == "cell-started":
            self._ui.cell_started(None, cell, self._total, self._notebook.cells[cell].source)
        else:
            self._ui.cell_finished(None, cell, self._total, seconds)


@contextlib.contextmanager
def _originals_untouched(context: Context) -> Any:
    """Refuse a notebook that writes to inputs which stay where they are: each stage would do it again."""
    before = watch_originals(context.inputs.originals)
    yield
    if touched := changed_originals(before, context.inputs.originals):
        raise Refused(
            f"the notebook changed {', '.join(touched[:3])}, which was not copied: the original itself is changed",
            "let the notebook write to another file; what is in its own folder and not too large is copied",
        )


def _recording(context: Context, notebook: NotebookFile, key: str, recorded: Recorded, seconds: float) -> Recording:
    return Recording(
        key=key,
        notebook=notebook.path.name,
        notebook_sha256=notebook.sha256,
        interpreter=context.interpreter,
        parameters=dict(context.options.parameters),
        cells=recorded.cells,
        boundaries=recorded.boundaries,
        seconds=seconds,
        trace=context.trace,  # type: ignore[arg-type]  # checked by the command line
        error=recorded.error,
        changes=recorded.changes,
        inputs=inputs_digest(context.inputs, notebook, recorded.scope),
        files=recorded.files,
        scope=recorded.scope,
    )


def add_obstacles(context: Context, recording: Recording, after: tuple[int, ...], reason: str) -> Recording:
    """Remember that hand-overs after these cells do not work, and return the recording that says so."""
    path = context.workspace.recording(recording.key)
    found = dict.fromkeys(after, reason)
    write_json(path.with_name(_OBSTACLES), {str(cell): why for cell, why in {**_obstacles(path), **found}.items()})
    return _with_obstacles(recording, found)


def found_obstacles(context: Context, recording: Recording) -> dict[int, str]:
    """Return after which cells runs found that a hand-over does not work, and why."""
    return _obstacles(context.workspace.recording(recording.key))


def _obstacles(recording: Path) -> dict[int, str]:
    return {int(cell): why for cell, why in (read_json(recording.with_name(_OBSTACLES)) or {}).items()}


def _with_obstacles(recording: Recording, obstacles: dict[int, str]) -> Recording:
    def told(boundary: Boundary) -> Boundary:
        reason = obstacles.get(boundary.after)
        return dataclasses.replace(boundary, obstacles=(*boundary.obstacles, reason)) if reason else boundary

    return dataclasses.replace(recording, boundaries=tuple(map(told, recording.boundaries)))
