"""Warnings: filters, hooks, and which warnings were shown already.

A module's ``__warningregistry__`` counts only while its version is that of the filters, and the version is a counter of
the process. So registries of the current version travel and are stamped anew once the filters are in place; all others
are as good as empty.
"""

from __future__ import annotations

import contextlib
import sys
import warnings
from typing import TYPE_CHECKING, Any

from j2k_dev.worker.hidden.carrier import Carrier
from j2k_dev.worker.state.looking import own_dict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from IPython.core.interactiveshell import InteractiveShell

_REGISTRY = "__warningregistry__"
_HOOKS = {"showwarning": "_showwarning_orig", "formatwarning": "_formatwarning_orig"}


class _Probe(Warning):
    """A warning nobody sees, issued to learn the version of the filters."""


def _version() -> Any:
    """Return the version of the filters, which only the registry of an issued warning tells."""
    registry: dict[Any, Any] = {}
    shown = warnings._showwarnmsg  # type: ignore[attr-defined]  # noqa: SLF001 - catch_warnings would change the version
    warnings._showwarnmsg = lambda _message: None  # type: ignore[attr-defined]  # noqa: SLF001 - catch_warnings would change the version
    try:
        warnings.warn_explicit("probe", _Probe, "probe", 1, registry=registry)
    except _Probe:
        pass  # the filters make errors of warnings
    finally:
        warnings._showwarnmsg = shown  # type: ignore[attr-defined]  # noqa: SLF001 - catch_warnings would change the version
        warnings.onceregistry.pop(("probe", _Probe), None)  # type: ignore[attr-defined]
    return registry.get("version")


def _registries() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, module in list(sys.modules.items()):
        namespace = own_dict(module)
        if type(namespace) is dict and _REGISTRY in namespace:
            yield name, namespace


def _capture(_shell: InteractiveShell) -> Any:
    version = _version()
    current = {name: _contents(namespace[_REGISTRY], version) for name, namespace in _registries()}
    hooks = {name: getattr(warnings, name) for name, original in _HOOKS.items() if _replaced(name, original)}
    return {
        "filters": [_plain(entry) for entry in warnings.filters],
        "default": warnings.defaultaction,  # type: ignore[attr-defined]
        "once": _contents(warnings.onceregistry, version),  # type: ignore[attr-defined]
        "registries": {name: registry for name, registry in current.items() if registry},
        "hooks": hooks,
    }


def _contents(registry: dict[Any, Any], version: Any) -> dict[Any, Any]:
    if registry.get("version") != version:
        return {}
    return {key: value for key, value in registry.items() if key != "version"}


def _replaced(name: str, original: str) -> bool:
    hook = getattr(warnings, name)
    return hook is not getattr(warnings, original) and getattr(hook, "__module__", None) != "logging"


def _plain(entry: tuple[Any, ...]) -> tuple[Any, ...]:
    """Write patterns as text: compiling them again is cheaper than pickling them."""
    return tuple((part.pattern, part.flags) if hasattr(part, "pattern") else part for part in entry)


def _entry(plain: tuple[Any, ...]) -> tuple[Any, ...]:
    import re  # noqa: PLC0415 - next to its only use

    return tuple(re.compile(*part) if isinstance(part, tuple) else part for part in plain)


def _restore(_shell: InteractiveShell, carried: dict[str, Any]) -> None:
    warnings.filters[:] = [_entry(plain) for plain in carried["filters"]]  # type: ignore[index]  # a list at run time
    warnings.defaultaction = carried["default"]  # type: ignore[attr-defined]
    for name, hook in carried["hooks"].items():
        setattr(warnings, name, hook)
    _filters_changed()
    version = _version()
    once = warnings.onceregistry  # type: ignore[attr-defined]
    once.clear()
    once.update(carried["once"], version=version)
    for _, namespace in list(_registries()):
        del namespace[_REGISTRY]
    for name, registry in carried["registries"].items():
        if name in sys.modules:
            own_dict(sys.modules[name])[_REGISTRY] = {**registry, "version": version}


def _filters_changed() -> None:
    """Tell the module that its filters changed; the function's name depends on the Python."""
    for name in ("_filters_mutated_lock_held", "_filters_mutated"):
        changed = getattr(warnings, name, None)
        if changed is not None:
            with getattr(warnings, "_lock", contextlib.nullcontext()):
                changed()
            return


CARRIERS = (Carrier("warnings", _capture, _restore),)
