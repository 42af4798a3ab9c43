"""The places outside the namespace that a cell can change, and what was in them.

A place is a dict of attributes (of a module, a class or an object that a module holds) or a container that one of
those holds. Its print is the identities of what it holds, with a copy that keeps them alive, so that an identity never
means another object. Looking again costs a microsecond where nothing changed.
"""

from __future__ import annotations

import operator
import sys
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from j2k_dev.worker.state.looking import is_a, own_dict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CONTAINERS = (dict, list, set)
# Dicts larger than this are tables that grow or shrink where they change at all; only their length is looked at.
_TABLE = 300

# What changes by itself while code runs, or has a carrier of its own: the interpreter's and Jupyter's machinery.
_MACHINERY = frozenset({
    "IPython", "ipykernel", "ipykernel_launcher", "traitlets", "zmq", "tornado", "jupyter_client", "jupyter_core",
    "comm", "debugpy", "_pydevd_bundle", "pydevd_plugins", "_pydev_bundle", "pydevd", "_debugpy", "jedi", "parso",
    "prompt_toolkit", "pygments", "stack_data", "executing", "pure_eval", "asttokens", "psutil", "nest_asyncio",
    "nest_asyncio2", "matplotlib_inline", "decorator", "pexpect", "ptyprocess", "j2k_dev", "cloudpickle", "__main__",
    "__mp_main__", "sys", "gc", "builtins", "os", "posix", "posixpath", "random", "decimal",
    "_decimal", "warnings", "_warnings", "locale", "signal", "time", "logging", "threading", "_thread",
    "_threading_local", "re", "sre_compile", "sre_parse", "sre_constants", "_sre", "linecache", "tokenize", "token",
    "weakref", "_weakref", "_weakrefset", "abc", "_abc", "_py_abc", "importlib", "_frozen_importlib",
    "_frozen_importlib_external", "zipimport", "asyncio", "concurrent", "selectors", "select", "queue", "_queue",
    "socket", "_socket", "subprocess", "multiprocessing", "typing", "typing_extensions", "inspect", "ast", "dis",
    "traceback", "contextvars", "_contextvars", "codecs", "encodings", "io", "_io", "site", "sysconfig",
    "_sysconfigdata", "marshal", "copyreg", "unittest", "doctest", "pdb", "bdb", "cmd", "pydoc", "ctypes", "_ctypes",
    "sqlite3", "ssl", "_ssl", "hashlib", "_hashlib", "getpass", "tempfile", "shutil", "uuid", "numpy.random.mtrand",
    "matplotlib.rcsetup", "matplotlib._pylab_helpers", "six", "cython_runtime",
})  # fmt: skip

# Attributes that the import system, the interpreter or a carrier looks after.
IGNORED = frozenset({
    "__warningregistry__", "__builtins__", "__spec__", "__loader__", "__path__", "__cached__", "__file__",
    "__abstractmethods__", "_abc_impl", "__subclasshook__", "__weakref__", "__dict__", "__doc__", "__annotations__",
    "__annotations_cache__", "__firstlineno__", "__static_attributes__", "__parameters__", "__orig_bases__",
    "__slotnames__", "_value2member_map_", "_member_map_", "_unhashable_values_", "_hashable_values_",
    "__all__", "__pyx_capi__", "__slots__", "__match_args__", "__dataclass_fields__", "__dataclass_params__",
    "rcParams", "rcParamsOrig", "_rand", "_backend_mod", "_global_config", "_threadlocal", "_loaded_magics",
})  # fmt: skip


@dataclass
class Place:
    """Where something is held: ``path`` up to here, the holder's dict or the container, and a copy of what was in it.

    ``view`` shows what is held now, in order; ``values`` are those of the last look.
    """

    path: str
    module: str
    held: Any
    shape: Literal["names", "dict", "list", "table"]
    view: Any = None
    values: tuple[Any, ...] = ()
    copy: Any = None

    def refresh(self) -> None:
        """Take what the place holds now for what was there."""
        self.copy = list(self.held) if self.shape == "list" else dict(self.held)
        self.view = self.held if self.shape == "list" else self.held.values()
        self.values = tuple(self.copy if self.shape == "list" else self.copy.values())


def _changed(places: Iterable[Place]) -> list[Place]:
    """Return the places that hold other things than at the last look; the loop that all the time is spent in."""
    same = operator.is_
    return [
        place
        for place in places
        if len(place.view) != len(place.values)
        or (place.shape != "table" and not all(map(same, place.view, place.values)))
    ]


def is_machinery(module: Any) -> bool:
    """Tell modules in which changes are only looked for where the notebook's own text makes them."""
    if not isinstance(module, str):  # a class may have anything for its __module__
        return True
    return module in _MACHINERY or module.partition(".")[0] in _MACHINERY


class Places:
    """All places of all modules that are loaded."""

    def __init__(self) -> None:
        self._places: dict[int, Place] = {}
        self._modules: dict[str, tuple[int, type]] = {}

    def take_in(self) -> None:
        """Take in the places of modules that were imported since the last call."""
        for name, module in list(sys.modules.items()):
            look = id(module), type(module)  # a lazy module has another type when it is loaded
            if self._modules.get(name) == look:
                continue
            self._modules[name] = look
            if is_a(module, types.ModuleType) and not is_machinery(name):  # somebody may have put anything there
                self._add_module(name, module)

    def refresh(self) -> None:
        """Take everything as it is for what was there."""
        self.take_in()
        for place in self._changed():
            self._refresh(place)

    def changes(self) -> Iterator[tuple[Place, Any]]:
        """Yield every place that changed, with the copy of what was there, and take it as it is now."""
        for place in self._changed():
            before = place.copy
            self._refresh(place)
            yield place, before

    def modules(self) -> list[str]:
        """Return the names of the modules that were taken in."""
        return list(self._modules)

    def _changed(self) -> list[Place]:
        try:
            return _changed(self._places.values())
        except RuntimeError:  # a thread changed a dict at this moment: look once more
            return _changed(list(self._places.values()))

    def _refresh(self, place: Place) -> None:
        before = place.copy
        place.refresh()
        if place.shape == "names":
            for name, value in before.items():
                if place.copy.get(name) is not value:
                    self._places.pop(id(value), None)
                    self._places.pop(id(own_dict(value)), None)
            self._add_held(place)

    def _add_module(self, name: str, module: types.ModuleType) -> None:
        self._add(f"{name}:", name, own_dict(module), "names")

    def _add(self, path: str, module: str, held: Any, shape: Literal["names", "dict", "list", "table"]) -> None:
        if id(held) in self._places:
            return
        place = Place(path, module, held, shape)
        place.refresh()
        self._places[id(held)] = place
        if shape == "names":
            self._add_held(place)

    def _add_held(self, place: Place) -> None:
        """Add what a module, a class or an object holds: containers, and for a module its classes and objects."""
        outer = place.path.endswith(":")
        for name, value in place.copy.items():
            if name in IGNORED:
                continue
            if type(value) in CONTAINERS or (outer and _is_plain_container(value)):
                self._add(f"{place.path}{name}", place.module, value, _shape(value))
            elif outer:
                self._add_inner(f"{place.path}{name}.", place.module, value)

    def _add_inner(self, path: str, module: str, value: Any) -> None:
        kind = type(value)
        if is_a(value, type):
            if value.__module__ == module:
                self._add_class(path, module, value)
        elif not issubclass(kind, _NO_OBJECTS) and not is_machinery(kind.__module__):
            inner = own_dict(value)
            if type(inner) is dict:
                self._add(path, module, inner, "names")

    def _add_class(self, path: str, module: str, kind: type) -> None:
        if id(kind) not in self._places:
            place = Place(path, module, vars(kind), "names")
            place.refresh()
            self._places[id(kind)] = place
            self._add_held(place)


def _is_plain_container(value: Any) -> bool:
    """Tell a container that runs no code of its class when it is looked at: some warn, some load things."""
    base = next((kind for kind in CONTAINERS if is_a(value, kind)), None)
    asked = ("__iter__", "__getitem__", "__len__", "items", "keys", "values", "copy")
    return base is not None and all(getattr(type(value), n, None) is getattr(base, n, None) for n in asked)


def _shape(value: Any) -> Literal["dict", "list", "table"]:
    if not is_a(value, dict):
        return "list"
    return "table" if len(value) > _TABLE else "dict"


_NO_OBJECTS = (
    types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType, property, staticmethod,
    classmethod, *CONTAINERS, str, bytes, int, float, tuple,
)  # fmt: skip
