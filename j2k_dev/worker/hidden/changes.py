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
from typing import TYPE_CHECKING, Any, Literal

from j2k_dev.worker.hidden.carrier import Carrier, is_notebooks

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_CONTAINERS = (dict, list, set)
_ENTRY = re.compile(r"(.*?)(?:\[('.*'|\".*\")\])?", re.DOTALL)


@dataclass(frozen=True)
class Found:
    """What was at a path when the state was captured.

    A container or an object goes as what it held (``inside``), so that the one which is there can be filled and keeps
    its identity; an object also as what it takes to make it (``parts``), for where there is none of its type.
    """

    path: str
    kind: Literal["nothing", "value", "container", "object"]
    value: Any = None
    inside: Any = None
    parts: tuple[Any, ...] = ()


def library_changes(paths: tuple[str, ...]) -> Carrier:
    """Build the carrier for what cells changed at these paths."""

    def capture(_shell: InteractiveShell) -> Any:
        return [found for path in paths if (found := _find(path)) is not None] or None

    return Carrier("library changes", capture, _restore)


def _find(path: str) -> Found | None:
    """Read a path; None where its module was not imported yet."""
    place = _place(path)
    if place is None:
        return None
    mapping, name, holder = place
    if name in mapping:
        return _found(path, mapping[name], in_module=isinstance(holder, types.ModuleType))
    if _is_set_by_class(holder, name):
        return Found(path, "value", getattr(holder, name, None))
    return Found(path, "nothing")


def _found(path: str, value: Any, *, in_module: bool) -> Found:
    if type(value) in _CONTAINERS:
        return Found(path, "container", inside=value.copy())
    # The pickler takes an object that a library's module holds by name, which here is just what changed.
    if in_module and not isinstance(value, _BY_NAME) and not is_notebooks(value):
        parts = value.__reduce_ex__(4)
        if not isinstance(parts, str):
            return Found(path, "object", type(value), _own_dict(value), parts)
    return Found(path, "value", value)


def _own_dict(value: Any) -> dict[str, Any] | None:
    inner = getattr(value, "__dict__", None)
    return dict(inner) if type(inner) is dict else None


_BY_NAME = (
    type,
    types.ModuleType,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.NoneType,
    int,
    float,
    str,
    bytes,
)


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


def _is_set_by_class(owner: Any, name: str) -> bool:
    """Tell an attribute of an object whose class decides what setting it means: a property, a slot."""
    if owner is None or isinstance(owner, (type, types.ModuleType)):
        return False
    descriptor = next((vars(kind)[name] for kind in type(owner).__mro__ if name in vars(kind)), None)
    return hasattr(type(descriptor), "__set__")


def _attributes(holder: Any) -> Any:
    return getattr(holder, "__dict__", {})


def _restore(_shell: InteractiveShell, carried: list[Found]) -> None:
    for found in carried:
        importlib.import_module(found.path.partition(":")[0])
        place = _place(found.path)
        if place is None:
            continue
        mapping, name, holder = place
        if found.kind != "nothing":
            _set(found, mapping, name, holder)
        elif name in mapping:
            _delete(mapping, name, holder)


def _set(found: Found, mapping: Any, name: str, holder: Any) -> None:
    """Fill what is there, or put what was carried in its place."""
    there = mapping.get(name)
    if found.kind == "container" and type(there) is type(found.inside):
        _fill(there, found.inside)
    elif found.kind == "container":
        _assign(mapping, name, holder, found.inside)
    elif found.kind == "object" and type(there) is found.value and found.inside is not None:
        _fill(vars(there), found.inside)
    elif found.kind == "object":
        _assign(mapping, name, holder, _make(found.parts))
    else:
        _assign(mapping, name, holder, found.value)


def _make(parts: tuple[Any, ...]) -> Any:
    """Do what pickle does with what ``__reduce_ex__`` returned."""
    make, args, state, items, pairs = (*parts, None, None, None)[:5]
    made = make(*args)
    if hasattr(made, "__setstate__"):
        made.__setstate__(state)
    else:
        attributes, slots = state if isinstance(state, tuple) else (state, None)
        vars(made).update(attributes or {})
        for name, value in (slots or {}).items():
            setattr(made, name, value)
    for item in items or ():
        made.append(item)
    for key, value in pairs or ():
        made[key] = value
    return made


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
    elif name not in mapping and _is_set_by_class(holder, name):
        setattr(holder, name, value)
    else:
        mapping[name] = value


def _delete(mapping: Any, name: str, holder: Any) -> None:
    if isinstance(holder, type):
        type.__delattr__(holder, name)
    else:
        del mapping[name]
