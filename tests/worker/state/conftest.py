"""A hand-over between two real processes: one runs cells and writes its state down, another reads it and goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from pathlib import Path

_PROGRAM = """
import json, os, sys
from pathlib import Path
from j2k_dev.worker.blobs import BlobStore
from j2k_dev.worker.hidden import CARRIERS, note_start
from j2k_dev.worker.shell import start_shell
from j2k_dev.worker.snapshot import CannotHandOver, Restorer, take

told = os.fdopen(os.dup(1), "w")
folder, snapshot, cells = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
os.chdir(folder / "work")
store = BlobStore(folder / "blobs")
shell = start_shell()
shell.within(note_start, shell.ip, CARRIERS)
if snapshot:
    restorer = Restorer(folder / "snapshots" / snapshot, store)
    shell.within(restorer.before, shell.ip, CARRIERS)
    shell.within(restorer.variables, shell.ip)
    shell.within(restorer.after, shell.ip, CARRIERS)
    del restorer
runs = [shell.run(source, index) for index, source in enumerate(cells)]
try:
    taken, refused = shell.within(take, shell.ip, CARRIERS, store, folder / "snapshots", {}).sha256, ""
except CannotHandOver as error:
    taken, refused = "", str(error)
answer = {"snapshot": taken, "refused": refused, "outputs": [run.outputs for run in runs]}
told.write(json.dumps(answer))
told.flush()
os._exit(0)
"""


class HandOver(Protocol):
    """Runs groups of cells, each in a process of its own, and returns what the last group printed."""

    def __call__(self, *stages: str) -> str:
        """Hand the state from stage to stage."""


def run_stage(folder: Path, snapshot: str, cells: list[str]) -> dict[str, object]:
    """Run cells on a snapshot in a fresh process."""
    (folder / "work").mkdir(exist_ok=True)
    command = [sys.executable, "-c", _PROGRAM, str(folder), snapshot, json.dumps(cells)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def shown(answer: dict[str, object]) -> str:
    """Return the text of all outputs: streams, plain results, errors."""
    texts = []
    for outputs in answer["outputs"]:  # type: ignore[attr-defined]  # JSON
        for output in outputs:
            kind = output["output_type"]
            texts.append(
                output["text"] if kind == "stream"
                else f"{output['ename']}: {output['evalue']}" if kind == "error"
                else output["data"]["text/plain"]
            )  # fmt: skip
    return "\n".join(text.strip() for text in texts)


@pytest.fixture
def hand_over(tmp_path: Path) -> HandOver:
    """Hand the state of a notebook over as often as there are stages."""

    def run(*stages: str) -> str:
        snapshot = ""
        answer: dict[str, object] = {}
        for cells in stages:
            answer = run_stage(tmp_path, snapshot, [cells])
            snapshot = str(answer["snapshot"])
            assert snapshot or cells is stages[-1], answer["refused"]
        return shown(answer)

    return run


@pytest.fixture
def refusal(tmp_path: Path) -> HandOver:
    """Run a cell whose state can't be handed over, and return why."""

    def run(*stages: str) -> str:
        answer = run_stage(tmp_path, "", list(stages))
        assert not answer["snapshot"], "the state was written down"
        return str(answer["refused"])

    return run
