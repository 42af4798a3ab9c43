"""What the compiler and tracebacks know of cells: future flags, the text of each cell, which prompt it had.

With it, a traceback through a function of an earlier stage says ``Cell In[3], line 2`` and shows the line, and
``inspect.getsource`` works.
"""

from __future__ import annotations

import linecache
from typing import TYPE_CHECKING, Any

from j2k_dev.worker.hidden.carrier import Carrier, start_of

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def _capture_flags(shell: InteractiveShell) -> Any:
    return shell.compile.flags if shell.compile.flags != start_of(shell, "compiler flags") else None


def _restore_flags(shell: InteractiveShell, carried: int) -> None:
    shell.compile.flags = carried


def _capture_texts(shell: InteractiveShell) -> Any:
    cells = dict(shell.compile._filename_map)  # noqa: SLF001 - how IPython's tracebacks find a cell
    # Code that a library generated for a class of the notebook (attrs) is kept the same way.
    known: dict[str, tuple[Any, ...]] = dict(linecache.cache)
    lines = {
        name: entry
        for name, entry in known.items()
        if len(entry) == _ENTRY and entry[1] is None and (name in cells or "__main__" in name)
    }
    return (cells, lines) if cells or lines else None


_ENTRY = 4  # size, time of change, lines, full name; anything else is a loader that was not asked yet


def _restore_texts(shell: InteractiveShell, carried: Any) -> None:
    cells, lines = carried
    shell.compile._filename_map.update(cells)  # noqa: SLF001 - how IPython's tracebacks find a cell
    linecache.cache.update(lines)


CARRIERS = (
    Carrier("compiler flags", _capture_flags, _restore_flags, "after", lambda shell: shell.compile.flags),
    Carrier("cell sources", _capture_texts, _restore_texts),
)
