"""Attributes of libraries that the notebook's own text sets or deletes: ``module.name = …``, ``setattr(Class, …)``.

Read from the syntax tree of a cell, resolved in the namespace after it ran. What is found this way was meant: it is
carried or refused, never taken for noise.
"""

from __future__ import annotations

import ast
import sys
import types
from typing import TYPE_CHECKING, Any

from j2k_dev.worker.state.looking import is_a, own_dict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SETTERS = frozenset({"setattr", "delattr"})


def assigned_targets(source: str) -> frozenset[tuple[str, str]]:
    """Return (base expression, attribute) of every attribute that the text sets or deletes."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):  # it did not run either
        return frozenset()
    return frozenset(target for node in ast.walk(tree) for target in _targets(node))


def _targets(node: ast.AST) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, (ast.Store, ast.Del)):
        yield ast.unparse(node.value), node.attr
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _SETTERS:
        match node.args:
            case [base, ast.Constant(value=str(name)), *_]:
                yield ast.unparse(base), name


def resolve(expression: str, namespace: Mapping[str, Any]) -> Any:
    """Return what a dotted name stands for, looking only, never running code; None where it can't be told."""
    first, *rest = expression.split(".")
    value = namespace.get(first)
    for name in rest:
        value = _look_up(value, name)
    return value


def _look_up(value: Any, name: str) -> Any:
    if is_a(value, type):
        return next((vars(kind)[name] for kind in value.__mro__ if name in vars(kind)), None)
    return (own_dict(value) or {}).get(name)


def path_of(holder: Any) -> tuple[str, str] | None:
    """Return (module, dotted names ending in a dot or empty) for a library's module, class or object; else None."""
    if is_a(holder, types.ModuleType):
        name = next((name for name, module in list(sys.modules.items()) if module is holder), None)
        return None if name in (None, "__main__") else (str(name), "")
    if is_a(holder, type):
        return _path_of_class(holder)
    found = _found_in_module(holder)
    return None if found is None else (found[0], f"{found[1]}.")


def _path_of_class(kind: type) -> tuple[str, str] | None:
    if kind.__module__ == "__main__":
        return None
    value: Any = sys.modules.get(kind.__module__)
    for name in kind.__qualname__.split("."):
        value = _look_up(value, name)
    return (kind.__module__, f"{kind.__qualname__}.") if value is kind else None


def _found_in_module(value: Any) -> tuple[str, str] | None:
    """Look through the package that the object's class comes from."""
    package = type(value).__module__.partition(".")[0]
    if package in {"__main__", "builtins"}:
        return None
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == package and is_a(module, types.ModuleType):
            for attribute, held in list(own_dict(module).items()):
                if held is value:
                    return name, attribute
    return None


def is_set_by_class(holder: Any, name: str) -> bool:
    """Tell an attribute whose class decides what setting it means: a property, a slot."""
    if is_a(holder, (type, types.ModuleType)):
        return False
    return hasattr(type(_look_up(type(holder), name)), "__set__")
