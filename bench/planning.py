"""Planning a notebook of 500 cells: where to cut, what crosses, what can be left out."""

from __future__ import annotations

import ast
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat

from bench import notebooks, pipeline
from bench.measure import Aim, Result, Series, Setting, run
from j2k_dev.model.packing import unpack
from j2k_dev.notebook.planning import plan
from j2k_dev.notebook.reader import read_notebook

if TYPE_CHECKING:
    from collections.abc import Callable

    from j2k_dev.model.pipeline import Split
    from j2k_dev.model.recording import Recording

CELLS = 500
MOST_SECONDS = 0.5

_HOW = """\
A notebook of 500 cells as people write them (imports, functions, loops, tables, text), recorded once. “planning” is \
the decision itself, in memory; “reading” is the notebook and its recording from their files; “j2k plan” the whole \
command with the recording there, start-up included. Beside it: reading the same notebook with nbformat and parsing \
every cell (the least that anything which looks at the code has to do), and defining a job of 500 ops in dagster \
(which is told the graph, and does not look into the code)."""

_TAKES = """\
The recording says what is live at every boundary, in full each time, so it grows with the square of the cells: each \
variable would have to be written down once, and named at the boundaries where it is the same."""


def measure(setting: Setting) -> Result:
    """Measure the decision, reading, and the whole command."""
    notebook = notebooks.varied(setting.fresh("planning") / "varied.ipynb", CELLS)
    _, document = pipeline.call(setting, "record", notebook)
    file = Path(document["file"])
    times = 3 if setting.quick else 11
    original, recording = read_notebook(notebook), _recording(file)
    ways: dict[str, Callable[[], object]] = {
        "reading": lambda: (read_notebook(notebook), _recording(file)),
        **{f"planning, --split {split}": _planner(original, recording, split) for split in ("auto", "cells")},
    }
    commands = [pipeline.call(setting, "plan", notebook)[0].wall for _ in range(setting.repetitions(5))]
    series = (
        *(Series("j2k", name, "s", _times(way, times)) for name, way in ways.items()),
        Series("j2k", "j2k plan, the whole command", "s", tuple(commands)),
        Series("nbformat and ast", "reading and parsing", "s", _times(lambda: _parse(notebook), times)),
        Series("dagster", "defining a job of 500 ops", "s", _dagster(notebook.parent, times)),
    )
    reading, deciding = series[0].median, series[1].median
    told = f"{reading + deciding:.2f} s, of which reading the recording {reading:.2f} s"
    aim = Aim("500 cells planned in less than 0.5 s", told, reading + deciding < MOST_SECONDS, _TAKES)
    return Result("planning", "Planning 500 cells", _HOW, series, (aim,))


def _planner(notebook: Any, recording: Recording, split: str) -> Callable[[], object]:
    chosen: Split = "cells" if split == "cells" else "auto"
    return lambda: plan(notebook, recording, chosen)


def _recording(file: Path) -> Recording:
    return unpack(json.loads(file.read_bytes()))


def _parse(path: Path) -> int:
    notebook: Any = nbformat.read(path, as_version=4)
    return sum(len(ast.parse(cell.source).body) for cell in notebook.cells)


def _times(way: Callable[[], object], times: int) -> tuple[float, ...]:
    def one() -> float:
        started = time.perf_counter()
        way()
        return time.perf_counter() - started

    return tuple(one() for _ in range(times))


def _dagster(folder: Path, times: int) -> tuple[float, ...]:
    script = Path(__file__).parent / "peers" / "dagster_graph.py"
    return tuple(json.loads(run([sys.executable, str(script), str(CELLS), str(times)], folder).output))
