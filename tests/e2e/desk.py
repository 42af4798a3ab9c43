"""A folder with notebooks and j2k beside it as a stranger has it: a program, started and watched from outside."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SECONDS = 90.0
_LOOK_SECONDS = 0.01
_TAG = "J2K_TEST_DESK"
_TEMPORARY = (".tmp-", ".new-", ".building-")

Cell = str | tuple[str, ...]
"""The source of a code cell, with its tags if it has any; one that begins with '%MD' is Markdown."""

# As much of what a command said as pytest shows of any value.
_SHOWN = 180


@dataclass(frozen=True, repr=False)
class Told:
    """What one command said."""

    code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def json(self) -> dict[str, Any]:
        """The one document on stdout."""
        document = json.loads(self.stdout)
        assert isinstance(document, dict)
        return document

    @property
    def all(self) -> str:
        """Everything, as one line of words: the console breaks lines where they are full."""
        return " ".join((self.stdout + self.stderr).split())

    def __repr__(self) -> str:
        """Say how it ended, the reason last: of what is long, pytest shows the beginning and the end."""
        words = self.stdout.split() if self.code else self.stderr.split()
        return f"Told({self.code}, {self.seconds:.1f} s, {' '.join(words)[-_SHOWN:]})"


@dataclass(frozen=True)
class Desk:
    """A folder of its own; every process that comes of a command here carries its name."""

    folder: Path
    cache: Path
    variables: dict[str, str] = field(default_factory=dict)

    def notebook(self, name: str, *cells: Cell, metadata: dict[str, Any] | None = None) -> Path:
        """Write a notebook."""
        document = {
            "cells": [_cell(cell) for cell in cells],
            "metadata": metadata or {},
            "nbformat": 4,
            "nbformat_minor": 4,
        }
        path = self.folder / name
        path.write_text(json.dumps(document))
        return path

    @property
    def environment(self) -> dict[str, str]:
        """Give what commands run in."""
        left_out = ("VIRTUAL_ENV", "CONDA_PREFIX", "DISPLAY", "WAYLAND_DISPLAY")
        inherited = {name: value for name, value in os.environ.items() if name not in left_out}
        own = {_TAG: str(self.folder), "J2K_CACHE": str(self.cache), "COLUMNS": "200"}
        return {**inherited, **own, **self.variables}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command."""
        return subprocess.Popen(
            [sys.executable, "-m", "j2k_dev", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, process: subprocess.Popen[str]) -> Told:
        """Wait for the end of a command."""
        began = time.monotonic()
        try:
            stdout, stderr = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            stdout, stderr = process.communicate()
            raise AssertionError(f"still at work after {SECONDS} s:\n{stdout}\n{stderr}") from None
        return Told(process.returncode, stdout, stderr, time.monotonic() - began)

    def j2k(self, *arguments: str) -> Told:
        """Run a command to its end; whatever it was, it shows no traceback of ours."""
        told = self.end(self.start(*arguments))
        assert "j2k_dev/" not in told.stderr, told.stderr
        return told

    def equal(self, *arguments: str) -> dict[str, Any]:
        """Run a command that has to end well, and return its document."""
        told = self.j2k(*arguments, "--json")
        assert told.code == 0, told.all
        document = told.json
        assert document["verdict"] == "equal", document
        return document

    # --- what is left ---------------------------------------------------------------------------------------------

    def processes(self) -> dict[int, str]:
        """Name the processes that came of commands here and are alive."""
        found = {}
        mark = f"{_TAG}={self.folder}".encode()
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                carries = mark in (entry / "environ").read_bytes().split(b"\0")
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            except OSError:
                continue
            if carries and words:
                found[int(entry.name)] = words
        return found

    def running(self, *words: str) -> list[int]:
        """Find living processes by words of their command line."""
        return [process for process, line in self.processes().items() if all(word in line for word in words)]

    def until(self, condition: Callable[[], Any], process: subprocess.Popen[str] | None = None) -> Any:
        """Wait until something holds, which is returned; the command has to be at work still."""
        deadline = time.monotonic() + SECONDS
        while not (found := condition()):
            assert time.monotonic() < deadline, "waited in vain"
            assert process is None or process.poll() is None, self.end(process)
            select.select([], [], [], _LOOK_SECONDS)
        return found

    def nobody_is_left(self) -> None:
        """Nothing that came of a command here goes on: what was killed may need a moment to be gone."""
        self.until(lambda: not self.processes())

    def nothing_is_half_written(self) -> None:
        """No temporary file is left by any command."""
        work = self.folder / ".j2k" / "work"
        found = [path for path in _walk(self.folder) if work not in path.parents]
        assert not [path for path in found if path.name.startswith(_TEMPORARY) or path.suffix == ".j2k-tmp"]

    def published(self, document: dict[str, Any]) -> dict[str, int]:
        """Count the publications of each stage of a run."""
        runs = self.folder / ".j2k" / "exchange" / "runs" / document["run"]
        return {stage["name"]: len(list((runs / stage["name"]).glob("result*"))) for stage in document["stages"]}

    def outputs(self, document: dict[str, Any]) -> list[str]:
        """Give the text of each code cell of the executed notebook."""
        executed = json.loads((Path(document["results"]) / "notebook.ipynb").read_text())
        return [_text(cell) for cell in executed["cells"] if cell["cell_type"] == "code"]


def kill(processes: Iterable[int], number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal; who is gone already does not mind."""
    for process in processes:
        try:
            os.kill(process, number)
        except ProcessLookupError:
            continue


def _cell(cell: Cell) -> dict[str, Any]:
    source, *tags = (cell,) if isinstance(cell, str) else cell
    metadata = {"tags": tags} if tags else {}
    if source.startswith("%MD"):
        return {"cell_type": "markdown", "metadata": metadata, "source": source.removeprefix("%MD").strip()}
    return {"cell_type": "code", "metadata": metadata, "source": source, "outputs": [], "execution_count": None}


def _text(cell: dict[str, Any]) -> str:
    return "".join("".join(output.get("text", "")) for output in cell["outputs"])


def _walk(folder: Path) -> Iterable[Path]:
    for place, _folders, names in os.walk(folder):
        yield from (Path(place, name) for name in names)
