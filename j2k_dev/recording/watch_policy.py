"""Which changes of libraries travel, and which are a library minding its own business.

- What the notebook's own text assigned is carried; if it can't be pickled, it is refused by name.
- Functions, classes and objects of the notebook that ended up in a library are carried.
- Plain data (counters, switches), things importable by name, and small picklable objects are carried where everything
  that changed in that module can be; otherwise they are taken for the traces of lazy initialisation, which happens anew
  in the new process: half of it would be worse than none. Functions that a library puts on a class are carried anyhow.
- Caches are noise, and where a library notes that it is initialised now, so is everything it changed with it.
- Modules beside the notebook are the notebook's own code: what changed in them is carried or refused.
"""

from __future__ import annotations

import re
import sys
import types
from typing import TYPE_CHECKING, Any

import cloudpickle

from j2k_dev.worker.snapshot import pickles as can_be_written

if TYPE_CHECKING:
    from collections.abc import Collection

_SCALARS = (type(None), bool, int, float, complex, str, bytes)
_DEEPEST = 4
_MOST = 1000
_MOST_BYTES = 1 << 16
_CACHE = re.compile("cache|memo(?!ry)", re.IGNORECASE)
_DONE = re.compile(
    r"(init(ed|iali[sz]ed)?|loaded|ready|done|set_?up|installed|configured|started|checked|registered)$", re.IGNORECASE
)


def is_plain(value: Any, depth: int = 0) -> bool:
    """Tell scalars and small containers of nothing but scalars."""
    kind = type(value)
    if kind in _SCALARS:
        return True
    if depth >= _DEEPEST or kind not in (tuple, list, dict, set, frozenset) or len(value) > _MOST:
        return False
    if kind is dict:
        return all(type(key) in _SCALARS or is_plain(key, depth + 1) for key in value) and all(
            is_plain(item, depth + 1) for item in value.values()
        )
    return all(is_plain(item, depth + 1) for item in value)


def is_notebooks(value: Any) -> bool:
    """Tell what the notebook defined: a function or class of its own, an object of such a class, a method of one."""
    if isinstance(value, (staticmethod, classmethod)):
        return is_notebooks(value.__func__)
    if isinstance(value, property):
        return any(is_notebooks(part) for part in (value.fget, value.fset, value.fdel) if part is not None)
    if isinstance(value, types.MethodType):
        return is_notebooks(value.__func__) or is_notebooks(value.__self__)
    return "__main__" in (getattr(value, "__module__", None), getattr(type(value), "__module__", None))


def holds_notebooks(value: Any) -> bool:
    """Tell containers that the notebook put something of its own into."""
    if isinstance(value, dict):
        return len(value) <= _MOST and any(is_notebooks(part) for pair in value.items() for part in pair)
    return isinstance(value, (list, set, tuple)) and len(value) <= _MOST and any(is_notebooks(part) for part in value)


def is_importable(value: Any) -> bool:
    """Tell a function, class or module that can be found again by its name."""
    if isinstance(value, types.ModuleType):
        return sys.modules.get(value.__name__) is value
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or module == "__main__":
        return False
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, "__dict__", {}).get(part)
    return found is value


class _TooBig(Exception):  # noqa: N818 - not an error, a verdict
    """More bytes than a change of a library may have."""


class _Sink:
    def __init__(self, most: int) -> None:
        self._left = most

    def write(self, data: Any) -> int:
        self._left -= len(data)
        if self._left < 0:
            raise _TooBig
        return len(data)


def pickles(value: Any, most: int) -> bool:
    """Tell whether something can be pickled in so many bytes."""
    try:
        cloudpickle.Pickler(_Sink(most), protocol=5).dump(value)
    except Exception:  # noqa: BLE001 - objects fail to pickle in any way they like
        return False
    return True


def is_cache(path: str) -> bool:
    """Tell what a library fills as it goes and can fill again: carrying it is of no use, leaving it does no harm."""
    return bool(_CACHE.search(path.partition(":")[2]))


def is_done_flag(path: str, value: Any) -> bool:
    """Tell a note that something was initialised, which is worth nothing without what was."""
    name = path.partition(":")[2].rpartition(".")[2]
    return type(value) in (bool, int, type(None)) and bool(_DONE.search(name))


def can_travel(value: Any, changed: Collection[str]) -> bool:
    """Tell whether a value that a library itself changed can be carried; ``changed`` are the paths of all changes."""
    if is_plain(value):
        return True
    if is_importable(value):
        # What is new under its own name can't be found by that name in another process.
        return f"{value.__module__}:{value.__qualname__}" not in changed if hasattr(value, "__qualname__") else True
    return pickles(value, _MOST_BYTES)


def is_patch(value: Any, changed: Collection[str]) -> bool:
    """Tell a function or the like that a library made at run time and put somewhere else than where it is defined."""
    kinds = (types.FunctionType, property, classmethod, staticmethod)
    return isinstance(value, kinds) and not is_importable(value) and can_travel(value, changed)


def is_own(value: Any) -> bool:
    """Tell what the notebook defined, or a container it put such a thing into."""
    return is_notebooks(value) or holds_notebooks(value)


def travels_anyhow(value: Any) -> bool:
    """Tell whether something that has to travel can, whatever its size."""
    return is_plain(value) or is_own(value) or is_importable(value) or _parts_travel(value)


def _parts_travel(value: Any) -> bool:
    """Tell whether what makes an object can be written; the object itself would go by the name it has just got."""
    try:
        return can_be_written(value.__reduce_ex__(4))
    except Exception:  # noqa: BLE001 - objects fail to pickle in any way they like
        return False
