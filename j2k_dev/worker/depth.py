"""How deep a notebook can recurse: as deep as in Jupyter's kernel, in the recording and in every stage.

A cell stands on the frames of the program that runs it, and how many those are decides at which depth Python raises
``RecursionError`` and how many frames its traceback shows. The limit is moved by the difference; what the notebook
reads and sets is the limit as it would be in the kernel.
"""

from __future__ import annotations

import sys
from typing import Any

# What ipykernel uses of the limit below a cell, as counted here: a plain one, one with a top-level await. Python 3.12
# ceased to count C code.
_KERNEL = {(3, 10): (18, 10), (3, 11): (17, 10)}
_KERNEL_SINCE = (14, 8)


class _Moved:
    """The two functions of ``sys``, with the limit moved."""

    def __init__(self) -> None:
        self._get, self._set = sys.getrecursionlimit, sys.setrecursionlimit
        self._used = _used()
        self._extra = 0

    def getrecursionlimit(self) -> int:
        """Return the current value of the recursion limit, the maximum depth of the Python interpreter stack."""
        return self._get() - self._extra

    def setrecursionlimit(self, limit: int, /) -> None:
        """Set the maximum depth of the Python interpreter stack to n."""
        self._set(limit + self._extra if type(limit) is int and limit > 0 else limit)

    def move(self, kernel_uses: int) -> None:
        limit = self.getrecursionlimit()
        self._extra = self._used - kernel_uses
        self.setrecursionlimit(limit)


def like_the_kernel(*, awaited: bool) -> None:
    """Leave to a cell, run from here, as much of the limit as there would be in the kernel."""
    moved: Any = getattr(sys.getrecursionlimit, "__self__", None)
    if not isinstance(moved, _Moved):
        moved = _Moved()
        sys.getrecursionlimit, sys.setrecursionlimit = moved.getrecursionlimit, moved.setrecursionlimit
    moved.move(_KERNEL.get(sys.version_info[:2], _KERNEL_SINCE)[awaited])


def _used() -> int:
    """Return how much of the limit is used up where this is called, by trying how much is left."""
    deepest = 0

    def dive(depth: int) -> None:
        nonlocal deepest
        deepest = depth
        dive(depth + 1)

    try:
        dive(0)
    except RecursionError:
        return sys.getrecursionlimit() - deepest
    return 0
