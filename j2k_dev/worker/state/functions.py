"""Functions of the notebook by value, on the one live namespace; closures with their shared cells.

cloudpickle gives every function a frozen copy of the globals it names and every closure cells of its own. A notebook
expects neither: its functions see and set the notebook's globals, and closures made together share their variables.
"""

from __future__ import annotations

import gc
import sys
import types
from importlib import import_module
from typing import Any

from cloudpickle import cloudpickle

Reduced = tuple[Any, ...]

_STATE = ("__name__", "__qualname__", "__module__", "__doc__", "__defaults__", "__kwdefaults__")


def module_namespace(name: str) -> dict[str, Any]:
    """Return the globals of an importable module."""
    __import__(name)
    return vars(sys.modules[name])


def make_function(code: types.CodeType, namespace: dict[str, Any], closure: Any) -> types.FunctionType:
    """Make a function that lives in ``namespace``."""
    return types.FunctionType(code, namespace, None, None, closure)


def make_code(filename: str, code: types.CodeType) -> types.CodeType:
    """Say where code is from."""
    return code.replace(co_filename=filename)


def reduce_code(code: types.CodeType) -> Reduced:
    """Reduce code with its file's name, by which its text is found; cloudpickle leaves that out since 3.1.3."""
    return make_code, (code.co_filename, _Nameless(code))


class _Nameless:
    """Stands in a pickle for code without the name of its file."""

    def __init__(self, code: types.CodeType) -> None:
        self._code = code

    def __reduce__(self) -> Any:
        return cloudpickle._code_reduce(self._code)  # noqa: SLF001 - cloudpickle has no public parts


def set_function(function: types.FunctionType, state: dict[str, Any]) -> None:
    """Give a function made by ``make_function`` the rest of what it had."""
    function.__dict__.update(state.pop("__dict__"))
    for name, value in state.items():
        setattr(function, name, value)


def reduce_function(function: types.FunctionType) -> Reduced:
    """Reduce a function to its code and the namespace it lives in; the rest follows once it is known to the pickle."""
    state = {name: getattr(function, name) for name in _STATE}
    state["__annotations__"] = _annotations(function)
    state["__dict__"] = vars(function)
    if type_params := getattr(function, "__type_params__", ()):
        state["__type_params__"] = type_params
    namespace = NamespaceOf(function.__globals__)
    return make_function, (function.__code__, namespace, function.__closure__), state, None, None, set_function


def _annotations(function: types.FunctionType) -> dict[str, Any]:
    return vars(type(function))["__annotations__"].__get__(function)  # type: ignore[no-any-return]  # a getset descriptor


class NamespaceOf:
    """Stands in a pickle for a function's globals: the notebook's or a module's by name, any other dict by value."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.namespace = namespace


def reduce_namespace(stand_in: NamespaceOf) -> Reduced:
    """Reduce the globals of a function to a name where they have one."""
    namespace = stand_in.namespace
    name = namespace.get("__name__")
    module = sys.modules.get(name) if isinstance(name, str) else None
    if module is not None and vars(module) is namespace:
        return module_namespace, (name,)
    made = _module_of(namespace)
    return (vars, (made,)) if made is not None else (_same, (namespace,))


def _module_of(namespace: dict[str, Any]) -> types.ModuleType | None:
    """Find the module made by hand whose namespace this is; only the garbage collector knows."""
    if "__spec__" not in namespace:
        return None
    owners = (owner for owner in gc.get_referrers(namespace) if isinstance(owner, types.ModuleType))
    return next((owner for owner in owners if vars(owner) is namespace), None)


def reduce_module(module: types.ModuleType) -> Any:
    """Reduce a module: by name where that finds it, else with all that it holds."""
    name = vars(module).get("__name__", "")  # %run takes the name away from the module it made
    if sys.modules.get(name) is module:
        return import_module, (name,)
    state = {name: value for name, value in vars(module).items() if name != "__builtins__"}
    return types.ModuleType, (name,), state, None, None, set_module


def set_module(module: types.ModuleType, state: dict[str, Any]) -> None:
    """Give a module made by hand what it held."""
    vars(module).clear()
    vars(module).update(state)


def _same(value: Any) -> Any:
    return value


def make_cell() -> types.CellType:
    """Make an empty closure cell; what it holds comes later, so that a function can hold itself."""
    return types.CellType()


def set_cell(cell: types.CellType, contents: Any) -> None:
    """Fill a closure cell."""
    cell.cell_contents = contents[0]


def reduce_cell(cell: types.CellType) -> Reduced:
    """Reduce a closure cell as an object of its own, so that closures which share it go on sharing it."""
    try:
        contents = cell.cell_contents
    except ValueError:  # empty
        return make_cell, ()
    return make_cell, (), (contents,), None, None, set_cell
