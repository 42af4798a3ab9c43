"""The recording: what one run of the whole notebook, in order, in a fresh interpreter, did. The oracle."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

PROCESS_ENDED = "ProcessEnded"


@dataclass(frozen=True)
class CellError:
    """An exception that a cell raised, as Jupyter stores it; PROCESS_ENDED stands for the end of its process."""

    cell: int
    ename: str
    evalue: str
    traceback: tuple[str, ...]


@dataclass(frozen=True)
class CellAnalysis:
    """What the text of a cell says, after IPython's own transformation.

    ``reads`` are names loaded anywhere in the cell, nested code included; ``binds`` names bound at the top level;
    ``words`` identifiers inside string constants; ``dynamic`` the reasons why names can't be known from the text.
    ``nested`` are the reads in code that may run later (functions, lambdas, generators), ``shown`` the names in
    top-level expressions, whose values may live on in IPython's ``Out``.
    """

    reads: tuple[str, ...] = ()
    binds: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    dynamic: tuple[str, ...] = ()
    nested: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()


@dataclass(frozen=True)
class FileUse:
    """A file that a cell used; ``path`` is relative to the working directory, absolute outside it; sizes in bytes."""

    path: str
    kind: Literal["read", "written", "deleted"]
    bytes: int
    sha256: str | None = None


@dataclass(frozen=True)
class FileOperation:
    """What a cell did with a file that some storage does slowly or not at all, and how often.

    ``opened`` is told where that was more than once; ``database`` is one of SQLite.
    """

    path: str
    kind: Literal["opened", "chowned", "locked", "mapped", "database"]
    times: int


@dataclass(frozen=True)
class CellRecord:
    """One code cell of the recording; ``index`` counts all cells of the notebook from 0.

    ``outputs`` are nbformat 4 output dictionaries. ``bound``, ``changed`` and ``deleted`` are global names, changes
    being seen by content. ``modules`` are those imported by the cell, in order. Times in seconds, memory in bytes.
    """

    index: int
    execution_count: int | None
    outputs: tuple[dict[str, Any], ...]
    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int
    bound: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    files: tuple[FileUse, ...] = ()
    modules: tuple[str, ...] = ()
    analysis: CellAnalysis = field(default_factory=CellAnalysis)
    error: CellError | None = None
    operations: tuple[FileOperation, ...] = ()


@dataclass(frozen=True)
class Variable:
    """A global name that is live at a boundary; ``cell`` bound or changed it last.

    ``obstacle`` says why it can't be handed over, or is None. Buffers shared by several names count for the first.
    """

    name: str
    type: str
    bytes: int
    cell: int
    obstacle: str | None = None


@dataclass(frozen=True)
class Boundary:
    """The place after a code cell, and what is live there.

    ``obstacles`` are things beside the namespace that can't be handed over (threads, child processes, …).
    """

    after: int
    variables: tuple[Variable, ...]
    bytes: int
    obstacles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Interpreter:
    """The notebook's own Python; ``version`` as ``platform.python_version()``; ``packages`` name → version."""

    executable: str
    version: str
    packages: dict[str, str]
    kernel: str = "python3"
    language: str = "python"


@dataclass(frozen=True)
class InputScope:
    """Which files of the notebook's folder the notebook depends on: those it read, all of the folders it listed.

    ``everything`` where that is not known: nothing was traced, or a program was started that may read anything.
    """

    everything: bool = True
    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recording:
    """One run of the whole notebook. ``changes`` are attributes outside the namespace that cells changed.

    ``files`` is the blob that lists the working directory at the end; ``inputs`` stands for what it was at the start,
    as far as ``scope`` says that it matters.
    """

    key: str
    notebook: str
    notebook_sha256: str
    interpreter: Interpreter
    parameters: dict[str, Any]
    cells: tuple[CellRecord, ...]
    boundaries: tuple[Boundary, ...]
    seconds: float
    trace: Literal["none", "audit", "reprozip"] = "none"
    error: CellError | None = None
    changes: tuple[str, ...] = ()
    inputs: str = ""
    files: str | None = None
    scope: InputScope = field(default_factory=InputScope)
