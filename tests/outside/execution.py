"""Run an outside notebook twice over: by nbclient, and by the real ``j2k`` command, each in a fresh copy of its folder.

Both get the same interpreter and the same environment variables. What nbclient gave is kept in the cache: it depends
on nothing of ours. ``j2k`` runs the notebook with the local engine, or on a cluster.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.outside.corpus import HERE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.outside.corpus import Home, Notebook

CELL_SECONDS = 120
COMMAND_SECONDS = 400


@dataclass(frozen=True)
class Execution:
    """An executed notebook: its cells as nbformat has them, the name of the error that ended it, and the seconds."""

    cells: Sequence[Mapping[str, Any]]
    error: str | None
    seconds: float

    @property
    def outputs(self) -> dict[int, Sequence[Mapping[str, Any]]]:
        """The outputs of each code cell, by the cell's place in the notebook."""
        return {index: cell["outputs"] for index, cell in enumerate(self.cells) if cell["cell_type"] == "code"}

    @property
    def counts(self) -> dict[int, int | None]:
        """The number in the brackets beside each code cell."""
        return {index: cell["execution_count"] for index, cell in enumerate(self.cells) if cell["cell_type"] == "code"}


@dataclass(frozen=True)
class Reply:
    """What ``j2k`` said: exit code, the JSON document, stderr, and the executed notebook if it wrote one."""

    code: int
    document: Mapping[str, Any]
    stderr: str
    executed: Execution | None
    seconds: float


@dataclass(frozen=True)
class Way:
    """How ``j2k`` runs a notebook: its options, and what it finds in its environment beside what nbclient finds."""

    options: tuple[str, ...] = ("--engine", "local")
    variables: Mapping[str, str] = field(default_factory=dict)
    seconds: float = COMMAND_SECONDS


def ask_oracle(home: Home, notebook: Notebook, number: int) -> Execution:
    """Give nbclient's run of the notebook, the ``number``-th one; run it only if the cache lacks it."""
    source = home.source(notebook.package) / notebook.path
    made_from = source.read_bytes() + (HERE / "oracle.py").read_bytes()
    kept = home.folder / "oracle" / f"{hashlib.sha256(made_from).hexdigest()[:24]}-{number}.json"
    if not kept.exists():
        kept.parent.mkdir(exist_ok=True)
        answer = _run_oracle(home, source)
        json.loads(answer)
        partial = kept.with_suffix(".partial")
        partial.write_text(answer, encoding="utf-8")
        partial.replace(kept)
    return Execution(**json.loads(kept.read_text(encoding="utf-8")))


def ask_j2k(home: Home, notebook: Notebook, way: Way) -> Reply:
    """Run ``j2k up`` on the notebook in this way."""
    command = [sys.executable, "-m", "j2k_dev", "up", "--json", "--python", str(home.python), *way.options]
    with _fresh_copy(home.source(notebook.package) / notebook.path) as copy:
        started = time.monotonic()
        done = subprocess.run(
            [*command, copy.name],
            cwd=copy.parent,
            env={**home.environment(), **way.variables},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=way.seconds,
            check=False,
        )
        seconds = time.monotonic() - started
        document = _document(done.stdout)
        return Reply(done.returncode, document, done.stderr, _executed(document, seconds), seconds)


def _run_oracle(home: Home, source: Path) -> str:
    with _fresh_copy(source) as copy:
        done = subprocess.run(
            [str(home.python), str(HERE / "oracle.py"), str(copy), str(CELL_SECONDS)],
            env=home.environment(),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=COMMAND_SECONDS,
            check=False,
        )
    if done.returncode != 0:
        raise RuntimeError(f"nbclient on {source}:\n{done.stderr}")
    return done.stdout


@contextmanager
def _fresh_copy(source: Path) -> Iterator[Path]:
    """Copy the notebook's folder, under its own name, below a folder that no other run has."""
    with tempfile.TemporaryDirectory(prefix="outside-", ignore_cleanup_errors=True) as there:
        shutil.copytree(source.parent, Path(there) / source.parent.name, symlinks=True)
        yield Path(there) / source.parent.name / source.name


def _document(stdout: str) -> Mapping[str, Any]:
    try:
        document = json.loads(stdout)
    except json.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _executed(document: Mapping[str, Any], seconds: float) -> Execution | None:
    path = Path(document.get("results", "nowhere")) / "notebook.ipynb"
    if not path.exists():
        return None
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return Execution(cells, None, seconds)
