"""The images of a notebook: what tracing costs, how long they take to make and push, and how big they are."""

from __future__ import annotations

import functools
import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench import notebooks
from bench.again import quickstart
from bench.measure import Aim, Result, Series, Setting, WrongResult, in_turns, of, run
from j2k_dev.packaging.python import take_inventory

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

J2K, FREEZE = "j2k build", "all packages of the environment"
UNTRACED, TRACED = "recording", "recording, traced"
FIRST, AGAIN, EDITED = "all images made and pushed", "nothing changed", "one cell edited, recorded before"
DECIDED = "nothing changed: deciding that nothing is to be made"
WHOLE, STAGE = "environment", "one stage"
MOST_SECONDS_EDITED, MOST_SECONDS_DECIDED = 2.0, 0.2

_HOW = """\
`j2k build` of the quickstart example (pandas, a plot), pushed to the registry of a sandbox on this machine; whole \
processes. The recording is made before, once by Python's own audit events and once under ReproZip, and timed apart. \
Then: no image is there, nor in its repository; nothing changed, where `--json` also tells how long deciding that \
took, without starting the program and asking the registry; the last cell is edited and recorded, so that only the \
image of its stage is made and pushed (checked). Sizes are those of the layers, not compressed. Beside them, what a \
Dockerfile with `pip freeze` would install: all files of all distributions of the same environment and the whole \
installation of its interpreter, without the operating system of its base image."""

_EDITED_TAKES = "Most of it is starting the interpreter and reading the trace."


def measure(setting: Setting) -> Result:
    """Measure making, remaking and pushing; each repetition begins with no image."""
    notebook = quickstart(setting.fresh("images"))
    workspace = str(notebook.parent / ".j2k")
    _call(setting, "sandbox", "up", "--workspace", workspace)
    units = {
        UNTRACED: "s",
        TRACED: "s",
        FIRST: "s",
        AGAIN: "s",
        DECIDED: "s",
        EDITED: "s",
        WHOLE: "bytes",
        STAGE: "bytes",
    }
    try:
        contenders = {J2K: functools.partial(_build, setting, notebook)}
        series = in_turns(contenders, setting.repetitions(3), units)
    finally:
        _call(setting, "sandbox", "down", "--workspace", workspace)
    series = (*series, Series(FREEZE, WHOLE, "bytes", (float(_frozen_bytes()),)))
    edited = of(series, J2K, EDITED).median
    sizes = [of(series, contender, WHOLE).median / 1e6 for contender in (J2K, FREEZE)]
    decided = of(series, J2K, DECIDED).median
    aims = (
        Aim(
            "nothing changed: decided in less than 0.2 s", f"{decided:.2f} s", decided < MOST_SECONDS_DECIDED,
            "Most of it is looking at each of the environment's files, which may have changed.",
        ),
        Aim(
            "one cell edited: its image pushed in less than 2 s", f"{edited:.2f} s", edited < MOST_SECONDS_EDITED,
            _EDITED_TAKES,
        ),
        Aim("smaller than what pip freeze installs", "{:.0f} MB, {:.0f} MB".format(*sizes), sizes[0] < sizes[1]),
    )  # fmt: skip
    return Result("images", "Images", _HOW, series, aims)


def _build(setting: Setting, original: Path, repetition: int) -> Mapping[str, float]:
    # Of another name, so that its repository is empty.
    notebook = Path(shutil.copy(original, original.with_name(f"quickstart-{repetition}.ipynb")))
    _remove_images(notebook)
    untraced, _ = _call(setting, "record", str(notebook))
    traced, _ = _call(setting, "record", str(notebook), "--trace", "reprozip")
    first, before = _call(setting, "build", str(notebook))
    again, told = _call(setting, "build", str(notebook))
    notebooks.edit_last(notebook, f"# edit {repetition}")
    _call(setting, "record", str(notebook), "--trace", "reprozip")
    edited, after = _call(setting, "build", str(notebook))
    changed = [new["name"] for new, old in zip(after["stages"], before["stages"], strict=True) if new != old]
    if after["environment"] != before["environment"] or len(changed) != 1:
        raise WrongResult(f"an edited cell changed {changed}, or the environment")
    sizes = {WHOLE: float(after["environment"]["bytes"]), STAGE: float(after["stages"][-1]["bytes"])}
    seconds = {UNTRACED: untraced, TRACED: traced, FIRST: first, AGAIN: again, EDITED: edited}
    return {**seconds, DECIDED: told["seconds"]["making"], **sizes}


def _remove_images(notebook: Path) -> None:
    """Forget every image, so that the next build makes them."""
    for file in (notebook.parent / ".j2k" / "images").glob("*/image.json"):
        file.unlink()


def _frozen_bytes() -> int:
    python = take_inventory(Path(sys.executable))
    files = {file for found in python.distributions for file in found.files if Path(file).is_file()}
    base = {f"{place}/{name}" for place, _, names in os.walk(sys.base_prefix) for name in names}
    return sum(Path(file).lstat().st_size for file in files | base)


def _call(setting: Setting, *arguments: str) -> tuple[float, dict[str, Any]]:
    spent = run([setting.program("j2k"), *arguments, "--json"], setting.folder)
    document: dict[str, Any] = json.loads(spent.output)
    return spent.wall, document
