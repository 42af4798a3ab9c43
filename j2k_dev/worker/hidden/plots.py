"""matplotlib: parameters, backend, open figures, what the inline backend still has to draw, units.

The backend comes before the namespace: a figure that pyplot had open registers itself with pyplot when it is loaded.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from j2k_dev.worker.hidden.carrier import Carrier

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_INLINE = "matplotlib_inline.backend_inline"
_PYPLOT = "matplotlib.pyplot"


def _loaded(name: str) -> Any:
    """Return a module that has finished its import, or None."""
    module = sys.modules.get(name)
    spec = getattr(module, "__spec__", None)
    return None if module is None or getattr(spec, "_initializing", False) else module


def _parameters(matplotlib: Any) -> dict[str, Any]:
    """Return the parameters that are not as they were when matplotlib was imported."""
    usual = dict(dict.items(matplotlib.rcParamsOrig))
    missing = object()
    return {
        name: value
        for name, value in dict.items(matplotlib.rcParams)
        if usual.get(name, missing) is not value and usual.get(name, missing) != value
    }


def _capture_backend(_shell: InteractiveShell) -> Any:
    matplotlib, pyplot = _loaded("matplotlib"), _loaded(_PYPLOT)
    if matplotlib is None:
        return None
    name = dict.__getitem__(matplotlib.rcParams, "backend")
    active = pyplot is not None and pyplot._backend_mod is not None  # noqa: SLF001 - asking the public way would choose a backend or draw
    return (name if isinstance(name, str) else None, active, matplotlib.is_interactive())


def _restore_backend(_shell: InteractiveShell, carried: Any) -> None:
    name, active, interactive = carried
    matplotlib = importlib.import_module("matplotlib")
    if active:
        importlib.import_module(_PYPLOT).switch_backend(name)
    elif name is not None and name != dict.__getitem__(matplotlib.rcParams, "backend"):
        matplotlib.rcParams["backend"] = name
    matplotlib.interactive(interactive)


def _capture(_shell: InteractiveShell) -> Any:
    matplotlib = _loaded("matplotlib")
    if matplotlib is None:
        return None
    helpers, inline, units = _loaded("matplotlib._pylab_helpers"), _loaded(_INLINE), _loaded("matplotlib.units")
    return {
        "parameters": _parameters(matplotlib),
        "figures": [(m.num, m.canvas.figure) for m in helpers.Gcf.figs.values()] if helpers else [],
        "drawing": (inline.show._draw_called, list(inline.show._to_draw)) if inline else None,  # noqa: SLF001 - asking the public way would choose a backend or draw
        "current": getattr(inline.configure_inline_support, "current_backend", None) if inline else None,
        "units": list(units.registry.items()) if units else None,
    }


def _restore(_shell: InteractiveShell, carried: dict[str, Any]) -> None:
    matplotlib = importlib.import_module("matplotlib")
    for name in _parameters(matplotlib).keys() - carried["parameters"].keys():
        dict.__setitem__(matplotlib.rcParams, name, dict.__getitem__(matplotlib.rcParamsOrig, name))
    dict.update(matplotlib.rcParams, carried["parameters"])
    if carried["figures"]:
        _restore_figures(carried["figures"])
    if carried["drawing"]:
        show = importlib.import_module(_INLINE).show
        show._draw_called, show._to_draw = carried["drawing"]  # noqa: SLF001 - asking the public way would choose a backend or draw
    if carried["current"]:
        importlib.import_module(_INLINE).configure_inline_support.current_backend = carried["current"]
    if carried["units"] is not None:
        _restore_units(carried["units"])


def _restore_figures(figures: list[tuple[Any, Any]]) -> None:
    """Give pyplot the figures in their order (the last is the current one) and under their numbers."""
    gcf = importlib.import_module("matplotlib._pylab_helpers").Gcf
    gcf.figs.clear()
    for number, figure in figures:
        manager = figure.canvas.manager
        manager.num = number
        gcf.figs[number] = manager


def _restore_units(units: list[tuple[type, Any]]) -> None:
    registry = importlib.import_module("matplotlib.units").registry
    for kind in registry.keys() - dict(units).keys():
        del registry[kind]
    for kind, converter in units:
        if type(registry.get(kind)) is not type(converter):
            registry[kind] = converter


CARRIERS = (
    Carrier("matplotlib backend", _capture_backend, _restore_backend, "before"),
    Carrier("matplotlib", _capture, _restore),
)
