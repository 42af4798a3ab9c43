"""What actions work on: the options, what has been found out so far, and where everything is. Frozen; actions add."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

from j2k_dev.actions.engines import ENGINES, choose_engine
from j2k_dev.actions.images.package import packaged
from j2k_dev.actions.leftovers import remove_damaged, sweep
from j2k_dev.deploy.target import read_target
from j2k_dev.engine.interpreter import Launcher, choose, launcher, probe
from j2k_dev.engine.locks import lock
from j2k_dev.engine.support import support_folder
from j2k_dev.engine.workdir import Inputs, prepare_inputs
from j2k_dev.engine.workspace import Workspace, open_workspace
from j2k_dev.model.errors import BadInput
from j2k_dev.notebook.reader import read_notebook
from j2k_dev.notebook.source import PARAMETERS_TAG, NotebookFile, inject_parameters
from j2k_dev.worker.blobs import BlobDamaged, BlobStore
from j2k_dev.worker.files import watch_originals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from j2k_dev.actions.engines import Engine
    from j2k_dev.actions.ui import Ui
    from j2k_dev.engine.locks import WorkspaceLock
    from j2k_dev.model.pipeline import Pipeline, Split
    from j2k_dev.model.recording import InputScope, Interpreter, Recording
    from j2k_dev.model.run import RunSummary, StageResult
    from j2k_dev.worker.spec import CellSource

T = TypeVar("T")
SPLITS = ("auto", "tags", "headings", "cells")


@dataclass(frozen=True)
class UpOptions:
    """What the command line was asked for; ``timeout`` in seconds per cell.

    ``fresh`` makes everything anew, ``rerun`` only the stages. ``package`` (``auto``, ``trace`` or ``pip``), ``base``
    (the image that the latter stands on), ``replicas`` and ``memory`` (bytes by stage, "" for all)
    are for pods. ``cluster`` is the context of a cluster that is not the sandbox, ``target`` the file that says more.
    ``run`` names the run to make, or to go on with, instead of leaving that to us.
    """

    notebook: Path
    engine: str = "auto"
    split: str = "auto"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    out: Path | None = None
    workspace: Path | None = None
    python: Path | None = None
    trace: str | None = None
    timeout: float | None = None
    data: tuple[Path, ...] = ()
    verify: bool = False
    fresh: bool = False
    rerun: bool = False
    package: str = "auto"
    base: str = ""
    replicas: int = 1
    memory: Mapping[str, int] = field(default_factory=dict)
    cluster: str = ""
    target: Path | None = None
    run: str = ""


@dataclass(frozen=True)
class Context:
    """What is known: ``notebook`` is what runs (parameters injected), ``original`` what was read.

    ``engine`` runs the stages; where these are pods, ``package`` is what images are made from, and ``trace`` fits it.
    ``recording`` is what the plan is made from; ``oracle`` the recording of exactly this
    notebook, or None. ``plan_notes`` are those of the latest plan.
    """

    options: UpOptions
    ui: Ui
    engine: Engine
    trace: str
    workspace: Workspace
    lock: WorkspaceLock
    original: NotebookFile
    notebook: NotebookFile
    interpreter: Interpreter
    launcher: Launcher
    inputs: Inputs
    store: BlobStore
    recording: Recording | None = None
    oracle: Recording | None = None
    pipeline: Pipeline | None = None
    run: str = ""
    results: tuple[StageResult, ...] = ()
    summary: RunSummary | None = None
    package: str = ""
    notes: tuple[str, ...] = ()
    plan_notes: tuple[str, ...] = ()

    @property
    def recorded(self) -> NotebookFile:
        """Return the notebook that ``recording`` is of."""
        parameters = self.options.parameters if self.recording is self.oracle else {}
        return inject_parameters(self.original, parameters)

    @property
    def split(self) -> Split:
        """Return how to cut."""
        return self.options.split  # type: ignore[return-value]  # checked when the context was made

    @property
    def place(self) -> str:
        """Say where the stages run: what was done at one place is not at another."""
        return f"{self.engine} {self.options.cluster}" if self.options.cluster else self.engine

    @property
    def anew(self) -> bool:
        """Say whether the stages are to run even if nothing changed."""
        return self.options.fresh or self.options.rerun

    @property
    def foreign_kernel(self) -> str:
        """Return the name of the kernel where it is not Python, else nothing."""
        return self.interpreter.kernel if self.interpreter.language != "python" else ""

    def recording_key(self, notebook: NotebookFile) -> str:
        """Return what a recording of ``notebook`` is kept under: all that it depends on, except for files."""
        return digest(
            self.launcher.support.name, notebook.sha256, self.interpreter.executable, self.interpreter.version,
            self.interpreter.packages, self.trace,
        )  # fmt: skip

    def run_of(self, recording: Recording) -> str:
        """Return what a run is of, however it is cut: the notebook that runs, its interpreter and its inputs."""
        inputs = inputs_digest(self.inputs, self.notebook, recording.scope)
        return digest(self.recording_key(self.notebook), inputs)


def with_notebook(options: UpOptions, ui: Ui, action: Callable[[Context], T]) -> T:
    """Do something with a notebook, alone in its workspace, with the folder taken in as it is then.

    Where something that j2k keeps proves damaged, it is removed, and all that is missing then is made anew, once.
    """
    with opened(options, ui) as context:
        try:
            return action(context)
        except BlobDamaged as damaged:
            remove_damaged(context.workspace)
            ui.note(f"{damaged.message}: what is damaged was removed and is made anew")
    with opened(replace(options, run=""), ui) as context:  # the run as it was named has failed
        return action(context)


@contextlib.contextmanager
def opened(options: UpOptions, ui: Ui) -> Iterator[Context]:
    """Read the notebook, find its interpreter, and have its workspace alone, with the folder taken in as it is then.

    Nothing is run.
    """
    _check(options)
    original = read_notebook(options.notebook)
    if options.cluster:
        read_target(options.cluster, options.target, options.notebook.parent)  # what is wrong with it is told at once
    choice = choose(original.kernel, original.language, options.python)
    original = replace(original, language=choice.language)  # where the notebook does not say, its kernel does
    notebook = inject_parameters(original, options.parameters)
    interpreter = probe(choice)
    start = launcher(choice, interpreter, support_folder())
    workspace = open_workspace(options.notebook, options.workspace)
    with lock(workspace, note=ui.note) as held:
        sweep(workspace)
        store = BlobStore(workspace.exchange / "blobs")
        inputs = prepare_inputs(options.notebook, workspace.root, store, options.data)
        notes = (*original.notes, *choice.notes, *inputs.notes, *_unknown(original, options.parameters))
        for note in notes:
            ui.note(note)
        engine = choose_engine("kind" if options.cluster else options.engine, interpreter.language, workspace, ui)
        context = Context(
            options, ui, engine, "", workspace, held, original, notebook, interpreter, start, inputs, store,
            run=options.run, notes=notes,
        )  # fmt: skip
        yield packaged(context)


def _unknown(notebook: NotebookFile, parameters: Mapping[str, Any]) -> Iterator[str]:
    """Note parameters that the notebook does not set in its cell of parameters: a slip of the pen, most likely."""
    declared = [cell.source for cell in notebook.code_cells if PARAMETERS_TAG in cell.tags]
    for name in parameters:
        if declared and not any(_mentions(source, name) for source in declared):
            yield f"-p {name}: the notebook's cell of parameters sets no {name}"


def _check(options: UpOptions) -> None:
    problems = []
    if options.split not in SPLITS:
        problems.append(f"--split {options.split}: one of {', '.join(SPLITS)}")
    if options.engine not in ENGINES:
        problems.append(f"--engine {options.engine}: one of {', '.join(ENGINES)}")
    if options.package == "trace" and options.base:
        problems.append("--base: a traced environment stands on no other image (--package pip does)")
    if options.package == "trace" and options.trace not in (None, "reprozip"):
        problems.append(f"--trace {options.trace}: --package trace needs ReproZip's")
    if options.cluster and options.engine == "local":
        problems.append(f"--context {options.cluster}: --engine local runs on this machine")
    if options.target is not None and not options.cluster:
        problems.append(f"--target {options.target}: --context NAME says that it is to be used")
    if options.out is not None and options.out.exists() and not options.out.is_dir():
        problems.append(f"--out {options.out}: a file, and a folder is needed")
    if problems:
        raise BadInput("; ".join(problems), "see j2k up --help")


def inputs_digest(inputs: Inputs, notebook: NotebookFile, scope: InputScope) -> str:
    """Return what stands for the files that matter to a notebook.

    Those are the ones that its recording opened or listed, and, because libraries in C open files unseen, all whose
    name, or name without or only extension, stands in the notebook.
    """
    text = "\n".join(cell.source for cell in notebook.code_cells)
    lines = {
        name: [entry.kind, entry.content, entry.mode if entry.kind == "file" else 0, entry.link]
        for name, entry in inputs.manifest.items()
        if entry.kind != "dir" and name not in inputs.uncounted and _matters(name, scope, text)
    }
    return digest(lines, sorted(watch_originals(inputs.originals).items()))


def unused_inputs(inputs: Inputs, notebook: NotebookFile, scope: InputScope) -> set[str]:
    """Return the files in the folder that a notebook has nothing to do with: they may have changed since any run."""
    text = "\n".join(cell.source for cell in notebook.code_cells)
    return {name for name in inputs.manifest if name in inputs.uncounted or not _matters(name, scope, text)}


def _matters(name: str, scope: InputScope, text: str) -> bool:
    if scope.everything or name in scope.files or any(_is_below(name, folder) for folder in scope.folders):
        return True
    path = PurePosixPath(name)
    return any(len(part) > 1 and _mentions(text, part) for part in (path.name, path.stem, path.suffix))


def _is_below(name: str, folder: str) -> bool:
    return folder == "." or name.startswith(folder + "/")


def _mentions(text: str, word: str) -> bool:
    return (
        re.search(rf"(?<!\w){re.escape(word)}(?!\w)" if word[0] != "." else rf"{re.escape(word)}(?!\w)", text)
        is not None
    )


def digest(*parts: Any) -> str:
    """Return a short hash of plain values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def cell_sources(notebook: NotebookFile) -> tuple[CellSource, ...]:
    """Return the cells that run, as recorder and workers take them."""
    from j2k_dev.worker.spec import CellSource  # noqa: PLC0415 - only where something runs

    return tuple(
        CellSource(cell.index, cell.source, cell.id or None, cell.may_raise)
        for cell in notebook.code_cells
        if cell.runs
    )
