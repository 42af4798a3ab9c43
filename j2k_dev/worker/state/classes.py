"""Classes of the notebook by value, made without running the notebook's own hooks a second time.

Making a class calls ``__init_subclass__`` of its bases and ``__new__`` and ``__init__`` of its metaclass. They ran when
the cell did; what they changed is part of the state already. Enums are left to cloudpickle.
"""

from __future__ import annotations

import abc
import contextlib
import enum
import inspect
from typing import TYPE_CHECKING, Any

from cloudpickle import cloudpickle

if TYPE_CHECKING:
    from collections.abc import Iterator

# Given when a class is made: they can't be set, or mean something to what is called then.
_AT_CREATION = ("__module__", "__qualname__", "__slots__", "__orig_bases__")
# Made anew by Python for each class, or rebuilt from other parts of it.
_NOT_CARRIED = ("__dict__", "__weakref__", "_abc_impl", "__annotate_func__")
# Their metaclasses refuse what the finished class looks like; what they add is in its body.
_ONLY_CHECKING = ("typing", "typing_extensions")


def reduce_class(kind: type) -> Any:
    """Reduce a class: by name where it can be imported, else by value."""
    if cloudpickle._should_pickle_by_reference(kind) or issubclass(kind, enum.Enum) or _is_nameless(kind):  # noqa: SLF001 - cloudpickle has no public parts
        return cloudpickle._class_reduce(kind)  # noqa: SLF001 - as above
    body = {name: value for name, value in vars(kind).items() if name not in _NOT_CARRIED}
    created = {name: body.pop(name) for name in _AT_CREATION if name in body}
    created.setdefault("__qualname__", kind.__qualname__)
    for slot in _slots(created):
        body.pop(slot, None)
    registered = [ref() for ref in abc._get_dump(kind)[0]] if isinstance(kind, abc.ABCMeta) else []  # type: ignore[attr-defined]  # noqa: SLF001 - nothing public lists them
    made = (type(kind), kind.__name__, kind.__bases__, created)
    return make_class, made, (body, registered), None, None, set_class


def _is_nameless(kind: type) -> bool:
    """Tell the builtin types that have no importable name (of None, functions, generators, …)."""
    return kind in cloudpickle._BUILTIN_TYPE_NAMES or kind in (type(None), type(...), type(NotImplemented))  # noqa: SLF001 - as above


def _slots(created: dict[str, Any]) -> tuple[str, ...]:
    slots = created.get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def make_class(metaclass: type, name: str, bases: tuple[type, ...], created: dict[str, Any]) -> type:
    """Make a class with an empty body, so that what refers to it can be loaded before the body is."""
    constructor: Any = next(kind for kind in metaclass.__mro__ if _is_library_metaclass(kind))
    with _muted(bases):
        kind: type = constructor.__new__(metaclass, name, bases, dict(created))
        constructor.__init__(kind, name, bases, dict(created))
    return kind


def set_class(kind: type, state: tuple[dict[str, Any], list[type]]) -> None:
    """Give a class made by ``make_class`` its body."""
    body, registered = state
    for name, value in body.items():
        type.__setattr__(kind, name, value)
    for subclass in registered:
        kind.register(subclass)  # type: ignore[attr-defined]  # an abstract base class


def _is_library_metaclass(kind: type) -> bool:
    return kind.__module__ not in ("__main__", *_ONLY_CHECKING)


@contextlib.contextmanager
def _muted(bases: tuple[type, ...]) -> Iterator[None]:
    """Silence the notebook's own ``__init_subclass__`` for as long as a class is made."""
    hooks = {
        kind: vars(kind)["__init_subclass__"]
        for base in bases
        for kind in inspect.getmro(base)
        if kind.__module__ == "__main__" and "__init_subclass__" in vars(kind)
    }
    for kind in hooks:
        type.__setattr__(kind, "__init_subclass__", classmethod(lambda _cls, **_kwargs: None))
    try:
        yield
    finally:
        for kind, hook in hooks.items():
            type.__setattr__(kind, "__init_subclass__", hook)
