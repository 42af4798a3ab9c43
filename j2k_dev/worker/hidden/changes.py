"""Changes to libraries that the recording noticed (``recording/watch.py``), carried from process to process.

A path is ``module:name.name`` or ``module:name['entry']``. What is there when the state is
captured travels; containers are filled in place, because others may hold them.
"""

from __future__ import annotations

import ast
import importlib
import re
import sys
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from j2k_dev.worker.hidden.carrier import Carrier

if TYPE_CHECKING:
    from collections.abc import Iterable

    from IPython.core.interactiveshell import InteractiveShell

_CONTAINERS = (dict, list, set)
_ENTRY = re.compile(r"(.*?)(?:\[('.*'|\".*\")\])?", re.DOTALL)


@dataclass(frozen=True)
class Contents:
    """What a container or an object held, by itself, so that the container or object there keeps its identity."""

    items: Any


@dataclass(frozen=True)
class Found:
    """What was at a path when the state was captured; ``inside`` is what it held, where it can be filled in place."""

    path: str
    there: bool
    value: Any = None
    inside: Contents | None = None


def library_changes(paths: tuple[str, ...]) -> Carrier:
    """Build the carrier for what cells changed at these paths."""

    def capture(_shell: InteractiveShell) -> Any:
        return [found for path in paths if (found := _find(path)) is not None] or None

    return Carrier("library changes", capture, _restore)


def values_at(paths: Iterable[str]) -> tuple[Any, ...]:
    """Return the objects at these paths: they have to travel by value although they are found in a library."""
    found = (_find(path) for path in paths)
    return tuple(entry.value for entry in found if entry is not None and entry.there)


def _find(path: str) -> Found | None:
    """Read a path; None where its module was not imported yet."""
    place = _place(path)
    if place is None:
        return None
    holder, name, _ = place
    if name not in holder:
        return Found(path, there=False)
    value = holder[name]
    if type(value) in _CONTAINERS:
        return Found(path, True, None, Contents(value.copy()))  # noqa: FBT003 - what "there" means is said above
    inner = getattr(value, "__dict__", None)
    kind = type(value)
    filled = type(inner) is dict and kind.__module__ != "__main__" and not isinstance(value, _CODE)
    return Found(path, True, value, Contents(dict(inner)) if filled and inner is not None else None)  # noqa: FBT003


_CODE = (type, types.ModuleType, types.FunctionType)


def _place(path: str) -> tuple[Any, str, Any] | None:
    """Return the mapping that has the last name of a path, the name, and the object whose attributes the mapping is."""
    module, _, names = path.partition(":")
    match = _ENTRY.fullmatch(names)
    assert match is not None
    steps, key = match.groups()
    holder: Any = sys.modules.get(module)
    *outer, name = steps.split(".")
    for step in outer:
        holder = None if holder is None else _attributes(holder).get(step)
    if holder is None:
        return None
    if key is None:
        return _attributes(holder), name, holder
    entries = _attributes(holder).get(name)
    return (entries, ast.literal_eval(key), None) if isinstance(entries, dict) else None


def _attributes(holder: Any) -> Any:
    return getattr(holder, "__dict__", {})


def _restore(_shell: InteractiveShell, carried: list[Found]) -> None:
    for found in carried:
        importlib.import_module(found.path.partition(":")[0])
        place = _place(found.path)
        if place is None:
            continue
        mapping, name, holder = place
        if found.there:
            _set(found, mapping, name, holder)
        elif name in mapping:
            _delete(mapping, name, holder)


def _set(found: Found, mapping: Any, name: str, holder: Any) -> None:
    """Fill what is there, or put what was carried in its place."""
    there = mapping.get(name)
    if found.inside is None:
        _assign(mapping, name, holder, found.value)
    elif found.value is None:
        if type(there) is type(found.inside.items):
            _fill(there, found.inside.items)
        else:
            _assign(mapping, name, holder, found.inside.items)
    elif type(there) is type(found.value):
        _fill(_attributes(there), found.inside.items)
    else:
        _assign(mapping, name, holder, found.value)


def _fill(container: Any, items: Any) -> None:
    if isinstance(container, list):
        container[:] = items
    else:
        container.clear()
        container.update(items)


def _assign(mapping: Any, name: str, holder: Any, value: Any) -> None:
    """Set an attribute past a class's own idea of what may be set: the cell has done it already."""
    if isinstance(holder, type):
        type.__setattr__(holder, name, value)
    else:
        mapping[name] = value


def _delete(mapping: Any, name: str, holder: Any) -> None:
    if isinstance(holder, type):
        type.__delattr__(holder, name)
    else:
        del mapping[name]
