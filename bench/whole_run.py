"""A whole run of a notebook, start-up included: j2k's five stages beside nbclient and papermill in one process."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from bench import notebooks, pipeline
from bench.measure import Aim, Result, Series, Setting, in_turns, of, ratio, run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

STAGES = 5
SIZES = (20, 200)
MOST = 1.10

_HOW = """\
Notebooks of 20 and 200 cells such as `x7 = 7` and `print(x7)`, tagged as five stages, executed as whole processes: \
`j2k run` (every stage in a process of its own, results compared with the recording, report written), `jupyter \
execute` (nbclient) and `papermill`. The recording exists, as it does after the first time; earlier results are \
removed before each run, and each is checked to be `equal` and to have run all five stages. CPU seconds are those of \
all processes."""

_TAKES = """\
Most of a short run is starting interpreters and importing: j2k's own command, and the zygote that imports IPython for \
all stages."""


def measure(setting: Setting) -> Result:
    """Measure both sizes."""
    series: list[Series] = []
    aims = []
    for cells in SIZES:
        found = _measure(setting, cells)
        ratios = ratio(found, f"j2k, {cells} cells", f"nbclient, {cells} cells", "wall clock")
        series += [*found, ratios]
        ours, theirs = (_seconds(found, name, cells) for name in ("j2k", "nbclient"))
        told = f"{ratios.median:.2f} times nbclient ({ours} and {theirs})"
        aims.append(Aim(f"{cells} cells: no slower than nbclient plus 10 %", told, ratios.median <= MOST, _TAKES))
    return Result("run", "A whole run, start-up included", _HOW, tuple(series), tuple(aims))


def _seconds(series: tuple[Series, ...], contender: str, cells: int) -> str:
    return f"{of(series, f'{contender}, {cells} cells', 'wall clock').median:.2f} s"


def _measure(setting: Setting, cells: int) -> tuple[Series, ...]:
    notebook = notebooks.trivial(setting.fresh(f"run-{cells}") / "trivial.ipynb", cells, STAGES)
    other = notebooks.trivial(setting.fresh(f"run-{cells}-others") / "trivial.ipynb", cells, STAGES)
    pipeline.call(setting, "up", notebook)
    contenders: Mapping[str, Callable[[int], Mapping[str, float]]] = {
        f"j2k, {cells} cells": functools.partial(_j2k, setting, notebook),
        f"nbclient, {cells} cells": functools.partial(
            _other, other, [setting.program("jupyter"), "execute", other.name, "--output", "done"]
        ),
        f"papermill, {cells} cells": functools.partial(
            _other, other, [setting.program("papermill"), "--no-progress-bar", other.name, "out.ipynb"]
        ),
    }
    return in_turns(contenders, setting.repetitions(7 if cells < 100 else 4), {"wall clock": "s", "CPU": "s"})


def _j2k(setting: Setting, notebook: Path, _repetition: int) -> Mapping[str, float]:
    pipeline.forget_runs(notebook)
    spent, document = pipeline.call(setting, "run", notebook)
    pipeline.check_ran(document, STAGES)
    return {"wall clock": spent.wall, "CPU": spent.cpu}


def _other(notebook: Path, command: list[str], _repetition: int) -> Mapping[str, float]:
    spent = run(command, notebook.parent)
    return {"wall clock": spent.wall, "CPU": spent.cpu}
