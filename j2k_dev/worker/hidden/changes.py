"""Changes to libraries that the recording noticed (``recording/watch.py``), carried from process to process.

A path is ``module:attribute`` or ``module:Class.attribute``, as deep as it goes. What is there when the state is
captured travels; containers are filled in place, because others may hold them.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from j2k_dev.worker.hidden.carrier import Carrier

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from IPython.core.interactiveshell import InteractiveShell

_CONTAINERS = (dict, list, set)


@dataclass(frozen=True)
class Contents:
    """What a container held, by itself, so that the container keeps its identity."""

    items: Any


def library_changes(paths: tuple[str, ...]) -> Carrier:
    """Build the carrier for what cells changed at these paths."""

    def capture(_shell: InteractiveShell) -> Any:
        found = list(_found(paths))
        return found or None

    return Carrier("library changes", capture, lambda _shell, carried: _restore(carried))


def values_at(paths: Iterable[str]) -> tuple[Any, ...]:
    """Return the objects at these paths: they have to travel by value although they are found in a library."""
    return tuple(entry[1].items if isinstance(entry[1], Contents) else entry[1] for _, *entry in _found(paths) if entry)


def _found(paths: Iterable[str]) -> Iterator[tuple[Any, ...]]:
    """Yield (path, "is", value) for what is there and (path,) for what a cell deleted."""
    for path in paths:
        owner = _owner(path)
        if owner is None:
            continue
        holder, name = owner
        attributes = _attributes(holder)
        if name not in attributes:
            yield (path,)
        else:
            value = attributes[name]
            yield path, "is", Contents(value.copy()) if type(value) in _CONTAINERS else value


def _owner(path: str) -> tuple[Any, str] | None:
    """Return what holds the last name of a path, or None where its module was not imported yet."""
    module, _, names = path.partition(":")
    holder: Any = sys.modules.get(module)
    *outer, name = names.split(".")
    for step in outer:
        if holder is not None:
            holder = _attributes(holder).get(step)
    return None if holder is None else (holder, name)


def _attributes(holder: Any) -> Any:
    return getattr(holder, "__dict__", {})


def _restore(carried: list[tuple[Any, ...]]) -> None:
    for path, *entry in carried:
        importlib.import_module(path.partition(":")[0])
        owner = _owner(path)
        if owner is None:
            continue
        holder, name = owner
        if entry:
            _set(holder, name, entry[1])
        elif name in _attributes(holder):
            _delete(holder, name)


def _set(holder: Any, name: str, value: Any) -> None:
    if not isinstance(value, Contents):
        _assign(holder, name, value)
        return
    there = _attributes(holder).get(name)
    if type(there) is type(value.items):
        _fill(there, value.items)
    else:
        _assign(holder, name, value.items)


def _fill(container: Any, items: Any) -> None:
    """Fill a container in place; entries that are the same already are not touched."""
    if isinstance(container, list):
        container[:] = items
        return
    container.clear()
    container.update(items)


def _assign(holder: Any, name: str, value: Any) -> None:
    """Set an attribute past a class's own idea of what may be set, as it was when the cell had done it."""
    if isinstance(holder, type):
        type.__setattr__(holder, name, value)
    else:
        with contextlib.suppress(AttributeError):
            object.__setattr__(holder, name, value)
            return
        setattr(holder, name, value)


def _delete(holder: Any, name: str) -> None:
    if isinstance(holder, type):
        type.__delattr__(holder, name)
    else:
        object.__delattr__(holder, name)


__all__ = ["Contents", "library_changes", "values_at"]
