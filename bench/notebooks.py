"""The notebooks that are measured, written by program: nobody has to trust or keep them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nbformat

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_FUNCTION = """def shape_{i}(rows, factor={i}):
    return [row * factor + offset for row, offset in zip(rows, range(len(rows)))]
"""


def write(path: Path, cells: Sequence[tuple[str, str]]) -> Path:
    """Write a notebook of code cells, each a stage's name (or nothing) and a source."""
    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for number, (stage, source) in enumerate(cells):
        cell = nbformat.v4.new_code_cell(source, id=f"cell-{number}")
        if stage:
            cell.metadata["tags"] = [f"stage:{stage}"]
        notebook.cells.append(cell)
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


def trivial(path: Path, cells: int, stages: int) -> Path:
    """Write a notebook of trivial cells with an output each, in ``stages`` stages of the same length."""
    length = cells // stages
    return write(
        path, [(f"part-{i // length + 1}" if i % length == 0 else "", f"x{i} = {i}\nprint(x{i})") for i in range(cells)]
    )


def chain(path: Path, stages: int, warm_up_seconds: float) -> Path:
    """Write a notebook of one trivial cell per stage, on a small state; its first stage gives all workers time."""
    first = f"import time\nstate = {{'values': [], 'table': list(range(1000))}}\ntime.sleep({warm_up_seconds})"
    return write(path, [("warm-up", first), *((f"stage-{i}", f"state['values'].append({i})") for i in range(stages))])


def varied(path: Path, cells: int) -> Path:
    """Write a notebook of cells as people write them: imports, functions, loops, tables, text."""
    return write(path, [("", _varied(i)) for i in range(cells)])


def edit_last(path: Path, text: str) -> None:
    """Append a line to the last cell."""
    notebook: Any = nbformat.read(path, as_version=4)
    notebook.cells[-1].source += f"\n{text}"
    nbformat.write(notebook, path)


def _varied(i: int) -> str:
    kinds = (
        f"import math, json\nrows_{i} = [math.sqrt(n) for n in range(50)]",
        _FUNCTION.format(i=i),
        f"table_{i} = {{key: [key * n for n in range(5)] for key in range(20)}}\nlen(table_{i})",
        f"total_{i} = 0\nfor n in range(100):\n    total_{i} += n % 7\nprint('total', total_{i})",
        f"text_{i} = json.dumps({{'cell': {i}, 'total': total_{i - 1}}})\ntext_{i}",
    )
    return kinds[i % len(kinds)]
