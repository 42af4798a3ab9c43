"""Which changes of libraries travel, and which are a library minding its own business.

- What the notebook's own text assigned is carried; if it can't be pickled, it is refused by name.
- Functions, classes and objects of the notebook that ended up in a library are carried.
- Plain data (counters, switches), things importable by name, and small picklable objects under a public name or as an
  entry of a registry are carried where everything that changed in that module can be; otherwise they are taken for the
  traces of lazy initialisation, which happens anew in the new process: half of it would be worse than none.
- Caches, and private notes that something was initialised, are noise.
- Modules beside the notebook are the notebook's own code: what changed in them is carried or refused.
"""

from __future__ import annotations

import re
import sys
import types
from typing import Any

import cloudpickle

_SCALARS = (type(None), bool, int, float, complex, str, bytes)
_DEEPEST = 4
_MOST = 1000
_MOST_BYTES = 1 << 16
_CACHE = re.compile("cache|memo(?!ry)", re.IGNORECASE)
_DONE = re.compile("init|load|ready|done|setup|regist|install|configured|started|checked|warned", re.IGNORECASE)


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


class _TooBig(Exception):  # noqa: N818 - not an error
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
    except Exception:  # noqa: BLE001 - objects fail in any way they like
        return False
    return True


def is_cache(path: str, value: Any) -> bool:
    """Tell what a library fills as it goes and can fill again: carrying it is of no use, leaving it does no harm."""
    names = path.partition(":")[2]
    name = names.partition("[")[0].rpartition(".")[2]
    lazy = name.startswith("_") and type(value) in (bool, int, type(None)) and bool(_DONE.search(name))
    return lazy or bool(_CACHE.search(names))


def can_travel(path: str, value: Any) -> bool:
    """Tell whether a value that a library itself changed can be carried."""
    if is_plain(value) or is_importable(value):
        return True
    names = path.partition(":")[2]
    entry = names.endswith("]")
    private = any(name.startswith("_") for name in names.partition("[")[0].split("."))
    return (entry or not private) and pickles(value, _MOST_BYTES)


def is_own(value: Any) -> bool:
    """Tell what the notebook defined, or a container it put such a thing into."""
    return is_notebooks(value) or holds_notebooks(value)


def travels_anyhow(value: Any) -> bool:
    """Tell whether something that has to travel can, whatever its size."""
    return is_plain(value) or is_own(value) or is_importable(value) or pickles(value, sys.maxsize)
