"""Tells when a module is really imported, before and after, without a trace of its own.

What an import changes in modules that are there already (registries, converters, submodules as attributes) happens
again where the import does, so it is no change by the cell. Imports go through ``_find_and_load`` of importlib, for
the statement and for ``import_module`` alike, but only where the module is not loaded yet.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# Python leaves frames of this file out of the tracebacks of failed imports, which a notebook may show.
_FILE = "<frozen importlib._bootstrap>"


def on_imports(before: Callable[[], None], after: Callable[[], None]) -> Callable[[], None]:
    """Call ``before`` and ``after`` around imports by this thread that load something; return what undoes it."""
    bootstrap: Any = importlib._bootstrap  # type: ignore[attr-defined]  # noqa: SLF001 - there is no public place that sees the end of an import
    original = bootstrap._find_and_load  # noqa: SLF001
    thread = threading.get_ident()
    failed: set[str] = set()
    running: list[str] = []

    def _find_and_load(name: str, import_: Any) -> Any:
        if running or name in failed or threading.get_ident() != thread:
            return original(name, import_)
        before()
        loaded = len(sys.modules)
        running.append(name)
        try:
            return original(name, import_)
        finally:
            running.clear()
            if name not in sys.modules:
                failed.add(name)
            if len(sys.modules) != loaded:
                after()

    _find_and_load.__code__ = _find_and_load.__code__.replace(co_filename=_FILE)
    bootstrap._find_and_load = _find_and_load  # noqa: SLF001

    def undo() -> None:
        with contextlib.suppress(AttributeError):
            bootstrap._find_and_load = original  # noqa: SLF001

    return undo
