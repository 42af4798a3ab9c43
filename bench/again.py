"""The same command again: with nothing changed, and after an edit of the last cell."""

from __future__ import annotations

import functools
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench import notebooks, pipeline
from bench.measure import Aim, Result, Setting, WrongResult, in_turns, of, run

if TYPE_CHECKING:
    from collections.abc import Mapping

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
MOST_SECONDS = 1.0
NOTHING, EDIT = "nothing changed", "last cell edited"

_HOW = """\
`j2k up` on the quickstart example (pandas, a plot) after it has been run. With nothing changed, everything that the \
results depend on is looked at (notebook, files beside it, interpreter, packages, j2k itself), and the results of \
before are shown. After an edit of the last cell, the notebook is recorded anew, because the recording is what results \
are compared with, and of the stages only the last one runs again (checked); the parts are in the table. Beside it: \
nbclient and papermill, which execute everything each time, and, for nothing to do, luigi with a chain of eight tasks \
whose files are all there. All are whole processes."""

_TAKES = "What is left is starting the interpreter and importing the command's own modules."
_EDIT_TAKES = "More than the last stage ran."


def measure(setting: Setting) -> Result:
    """Measure both cases; each repetition does one after the other."""
    notebook, other = (quickstart(setting.fresh(name)) for name in ("again", "again-others"))
    pipeline.call(setting, "up", notebook)
    luigi = _luigi_done(setting)
    jupyter = [setting.program("jupyter"), "execute", other.name, "--output", "done"]
    papermill = [setting.program("papermill"), "--no-progress-bar", other.name, "out.ipynb"]
    contenders = {
        "j2k up": functools.partial(_j2k, setting, notebook),
        "luigi, all done": functools.partial(_other, NOTHING, luigi, setting.folder / "again-luigi"),
        "nbclient": functools.partial(_other, EDIT, jupyter, other.parent),
        "papermill": functools.partial(_other, EDIT, papermill, other.parent),
    }
    parts = ("recording", "the one stage that runs again", "everything else")
    units = {NOTHING: "s", EDIT: "s", **{f"{EDIT}: {part}": "s" for part in parts}}
    series = in_turns(contenders, setting.repetitions(5), units)
    took = of(series, "j2k up", NOTHING).median
    edited = of(series, "j2k up", EDIT).median
    aims = (
        Aim("`j2k up` with nothing changed: less than 1 s", f"{took:.2f} s", took < MOST_SECONDS, _TAKES),
        Aim("last cell edited: only its stage runs again", f"yes, {edited:.1f} s in all", met=True, takes=_EDIT_TAKES),
    )
    return Result("again", "`j2k up` again", _HOW, series, aims)


def quickstart(folder: Path) -> Path:
    """Copy the quickstart example and its data."""
    for name in ("quickstart.ipynb", "weather.csv"):
        shutil.copy(EXAMPLES / name, folder)
    return folder / "quickstart.ipynb"


def _j2k(setting: Setting, notebook: Path, repetition: int) -> Mapping[str, float]:
    unchanged, first = pipeline.call(setting, "up", notebook)
    notebooks.edit_last(notebook, f"# edit {repetition}")
    edited, document = pipeline.call(setting, "up", notebook)
    last = document["stages"][-1]
    if first["verdict"] != "equal" or document["verdict"] != "equal":
        raise WrongResult(f"the runs are {first['verdict']} and {document['verdict']}")
    if pipeline.stages_that_ran(document) != [last["name"]]:
        raise WrongResult(f"{pipeline.stages_that_ran(document)} ran, not only {last['name']}")
    recording = json.loads(
        (notebook.parent / ".j2k" / "recordings" / document["recording"] / "recording.json").read_bytes()
    )
    stage = last["history"][-1]["ended"] - last["history"][0]["started"]
    return {
        NOTHING: unchanged.wall,
        EDIT: edited.wall,
        f"{EDIT}: recording": recording["seconds"],
        f"{EDIT}: the one stage that runs again": stage,
        f"{EDIT}: everything else": edited.wall - recording["seconds"] - stage,
    }


def _other(what: str, command: list[str], folder: Path, _repetition: int) -> Mapping[str, float]:
    return {what: run(command, folder).wall}


def _luigi_done(setting: Setting) -> list[str]:
    folder = setting.fresh("again-luigi")
    script = Path(__file__).parent / "peers" / "luigi_chain.py"
    command = [sys.executable, str(script), "8", "1", str(folder)]
    run(command, folder)
    return command
