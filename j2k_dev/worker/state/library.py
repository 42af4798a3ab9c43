"""Objects that belong to libraries, so that they travel by name and keep their identity.

Many libraries have singletons that break when they are copied (sentinels, registries, the generator behind
``numpy.random.rand``), and functions whose ``__qualname__`` is not the name of the attribute they are found under.
Whatever *is* an attribute of a library module goes as (module, attribute).
"""

from __future__ import annotations

import functools
import importlib
import sys
import types
from typing import Any

from j2k_dev.worker.state.looking import is_a, own_dict

_BY_VALUE = (
    type(None), bool, int, float, complex, str, bytes, bytearray, tuple, list, dict, set, frozenset, slice, range,
    type(Ellipsis), type(NotImplemented), types.ModuleType, types.CodeType,
)  # fmt: skip
# What the interpreter notes of the error that was shown last is nothing of a library's.
_LAST_ERROR = {("sys", f"last_{part}") for part in ("type", "value", "traceback", "exc")}
_NAMED = (type, types.FunctionType, types.MethodType)
_OURS = ("j2k_dev", "cloudpickle", "__main__", "__mp_main__")


def library_attribute(module: str, attribute: str) -> Any:
    """Return what a library calls ``module.attribute``, importing the module if need be."""
    return getattr(importlib.import_module(module), attribute)


def shell_attribute(attribute: str) -> Any:
    """Return a part of the running IPython shell, or the shell itself for the empty name."""
    from IPython import get_ipython  # noqa: PLC0415 - resolved where the state is loaded

    shell = get_ipython()
    return getattr(shell, attribute) if attribute else shell


class LibraryIndex:
    """Finds the (module, attribute) of an object; modules are read once, when they are new."""

    def __init__(self) -> None:
        self._names: dict[int, tuple[str, str]] = {}
        self._seen: dict[str, tuple[int, type]] = {}

    def refresh(self) -> None:
        """Take in modules that were imported since the last call."""
        for name, module in list(sys.modules.items()):
            look = id(module), type(module)  # a lazy module has another type when it is loaded
            if self._seen.get(name) == look or not is_a(module, types.ModuleType):
                continue
            self._seen[name] = look
            if name.partition(".")[0] not in _OURS:
                self._read(name, module)

    def _read(self, name: str, module: types.ModuleType) -> None:
        names = self._names
        for attribute, value in list(own_dict(module).items()):
            if type(value) not in _BY_VALUE and id(value) not in names and (name, attribute) not in _LAST_ERROR:
                names[id(value)] = (name, attribute)

    def find(self, value: Any) -> tuple[str, str] | None:
        """Return where ``value`` is found by name, checked to be still true, or None."""
        place = self._names.get(id(value))
        if place is None or _made_by_notebook(value):
            return None
        module = sys.modules.get(place[0])
        return place if (own_dict(module) or {}).get(place[1]) is value else None


def _made_by_notebook(value: Any) -> bool:
    own = value.__module__ if is_a(value, _NAMED) else (own_dict(value) or {}).get("__module__")
    return "__main__" in (getattr(type(value), "__module__", None), own)


@functools.cache
def library_index() -> LibraryIndex:
    """Return this process's index; the modules of a process are one set, so there is one index."""
    return LibraryIndex()


def shell_parts() -> dict[int, str]:
    """Return the parts of the running shell by identity, the shell itself under the empty name."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None:
        return {}
    parts = {id(value): name for name, value in shell._trait_values.items() if type(value) not in _BY_VALUE}  # noqa: SLF001 - the shell's parts are its traits
    parts |= {id(value): name for name, value in vars(shell).items() if hasattr(value, "shell")}
    return parts | {id(shell): ""}
