"""j2k as the benchmarks call it: the installed program, in whole processes, and what it then says of itself."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from bench.measure import Setting, Spent, WrongResult, run

if TYPE_CHECKING:
    from pathlib import Path

# Everything that a run leaves; the recording stays.
_RESULTS = ("runs", "exchange/runs", "exchange/known", "exchange/snapshots")


def call(setting: Setting, command: str, notebook: Path, *options: str) -> tuple[Spent, dict[str, Any]]:
    """Call a command of j2k on a notebook; return what it took and the document that it printed."""
    spent = run([setting.program("j2k"), command, notebook.name, "--json", *options], notebook.parent)
    return spent, json.loads(spent.output)


def forget_runs(notebook: Path) -> None:
    """Remove every result of earlier runs, so that the next one has to run all of its stages."""
    for name in _RESULTS:
        shutil.rmtree(notebook.parent / ".j2k" / name, ignore_errors=True)


def check_ran(document: dict[str, Any], stages: int) -> None:
    """Raise unless a run was equal and really ran so many stages."""
    ran = stages_that_ran(document)
    if document["verdict"] != "equal" or len(ran) != stages:
        raise WrongResult(f"the run is {document['verdict']} and ran {ran}, not {stages} stages")


def stages_that_ran(document: dict[str, Any]) -> list[str]:
    """Name the stages that the run executed itself, rather than take them over from an earlier one."""
    return [stage["name"] for stage in document["stages"] if stage["history"]]
