"""Tells when a module is really imported, before and after, without leaving a trace.

What an import changes in modules that are there already (registries, converters, submodules as attributes) happens
again where the import does, so it is no change by the cell. An import that has to load something holds the lock of the
module meanwhile, for the statement and for ``import_module`` alike. The lock is where we look: a function around the
import would show in the traceback of an import that fails, and a notebook may show that.
"""

from __future__ import annotations

import importlib
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def on_imports(before: Callable[[], None], after: Callable[[], None]) -> Callable[[], None]:
    """Call ``before`` and ``after`` around imports by this thread that load something; return what undoes it."""
    bootstrap: Any = importlib._bootstrap  # noqa: SLF001 - no public place sees the end of an import
    original: Any = bootstrap._ModuleLockManager  # noqa: SLF001 - no public place sees the end of an import
    thread = threading.get_ident()
    failed: set[str] = set()
    running: list[Any] = []

    class ModuleLockManager(original):  # type: ignore[misc]  # frozen, without types
        """Importlib's own, telling of the outermost import."""

        def __enter__(self) -> None:
            if not running and self._name not in failed and threading.get_ident() == thread:
                before()
                running.append(self)
                self._loaded = len(sys.modules)
            super().__enter__()

        def __exit__(self, *error: object) -> None:
            super().__exit__(*error)
            if running and running[0] is self:
                running.clear()
                if self._name not in sys.modules:
                    failed.add(self._name)
                if len(sys.modules) != self._loaded:
                    after()

    bootstrap._ModuleLockManager = ModuleLockManager  # noqa: SLF001 - no public place sees the end of an import

    def undo() -> None:
        bootstrap._ModuleLockManager = original  # noqa: SLF001 - no public place sees the end of an import

    return undo
