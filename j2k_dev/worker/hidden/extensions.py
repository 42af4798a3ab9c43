"""What a notebook or an extension adds to the shell: magics, aliases, events, transformers, exception handlers.

Extensions that the notebook loaded are loaded again in the new process. What they register then is what the old
process had, so carried entries that are there already are left alone.
"""

from __future__ import annotations

import contextlib
import io
import sys
import types
from typing import TYPE_CHECKING, Any

from j2k_dev.worker.hidden.carrier import (
    Carrier,
    apply_changes,
    changed_list,
    dict_changes,
    is_notebooks,
    list_changes,
    start_of,
)

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_KINDS = ("line", "cell")


def reduce_magics(magics: Any) -> Any:
    """Reduce the object behind magics of a library to its class, for this process has or makes one like it."""
    return NotImplemented if is_notebooks(magics) else (magics_of, (type(magics),))


def magics_of(kind: type) -> Any:
    """Return the shell's instance of a class of magics, registered if need be."""
    from IPython import get_ipython  # noqa: PLC0415 - resolved where the state is loaded

    shell = get_ipython()
    registry = shell.magics_manager.registry
    if kind.__name__ not in registry:
        shell.register_magics(kind)
    return registry[kind.__name__]


def _capture_extensions(shell: InteractiveShell) -> Any:
    return sorted(shell.extension_manager.loaded - start_of(shell, "extensions")) or None


def _restore_extensions(shell: InteractiveShell, carried: list[str]) -> None:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        for name in carried:
            shell.extension_manager.load_extension(name)


def _read_magics(shell: InteractiveShell) -> dict[str, dict[str, Any]]:
    manager = shell.magics_manager
    return {kind: dict(manager.magics[kind]) for kind in _KINDS} | {"registry": dict(manager.registry)}


def _capture_magics(shell: InteractiveShell) -> Any:
    start, now = start_of(shell, "magics"), _read_magics(shell)
    changes = {kind: dict_changes(now[kind], start[kind]) for kind in now}
    return {kind: change for kind, change in changes.items() if change} or None


def _restore_magics(shell: InteractiveShell, carried: dict[str, Any]) -> None:
    manager = shell.magics_manager
    if "registry" in carried:
        apply_changes(manager.registry, carried.pop("registry"))
    for kind, changes in carried.items():
        apply_changes(manager.magics[kind], changes)


def _read_events(shell: InteractiveShell) -> dict[str, list[Any]]:
    return {name: list(callbacks) for name, callbacks in shell.events.callbacks.items()}


def _capture_events(shell: InteractiveShell) -> Any:
    start, now = start_of(shell, "events"), _read_events(shell)
    changes = {name: list_changes(callbacks, start.get(name, [])) for name, callbacks in now.items()}
    return {name: change for name, change in changes.items() if change is not None} or None


def _restore_events(shell: InteractiveShell, carried: dict[str, list[Any]]) -> None:
    start = start_of(shell, "events")
    for name, changes in carried.items():
        shell.events.callbacks[name] = changed_list(changes, start.get(name, []))


def _transformers(shell: InteractiveShell) -> dict[str, list[Any]]:
    manager = shell.input_transformer_manager
    return {
        "cleanup": manager.cleanup_transforms,
        "line": manager.line_transforms,
        "token": manager.token_transformers,
        "post": shell.input_transformers_post,
        "ast": shell.ast_transformers,
    }


def _read_transformers(shell: InteractiveShell) -> dict[str, list[Any]]:
    return {kind: list(transformers) for kind, transformers in _transformers(shell).items()}


def _capture_transformers(shell: InteractiveShell) -> Any:
    start, now = start_of(shell, "transformers"), _transformers(shell)
    changes = {kind: list_changes(now[kind], start[kind]) for kind in now}
    return {kind: change for kind, change in changes.items() if change is not None} or None


def _restore_transformers(shell: InteractiveShell, carried: dict[str, list[Any]]) -> None:
    start, now = start_of(shell, "transformers"), _transformers(shell)
    for kind, changes in carried.items():
        now[kind][:] = changed_list(changes, start[kind])


def _capture_handler(shell: InteractiveShell) -> Any:
    """Capture what ``set_custom_exc`` was given; the handler is in the closure of what it made of it."""
    if not shell.custom_exceptions:
        return None
    wrapped = shell.CustomTB.__func__ if isinstance(shell.CustomTB, types.MethodType) else shell.CustomTB
    cells = dict(zip(wrapped.__code__.co_freevars, wrapped.__closure__ or (), strict=True))
    handler = cells["handler"].cell_contents if "handler" in cells else None
    return shell.custom_exceptions, handler


def _restore_handler(shell: InteractiveShell, carried: Any) -> None:
    shell.set_custom_exc(*carried)


_RELOADER = ("enabled", "check_all", "autoload_obj", "hide_errors", "modules", "skip_modules", "modules_mtimes")


def _reloader(shell: InteractiveShell) -> Any:
    return getattr(shell.magics_manager.registry.get("AutoreloadMagics"), "_reloader", None)


def _capture_autoreload(shell: InteractiveShell) -> Any:
    reloader = _reloader(shell)
    if reloader is None:
        return None
    smart = getattr(getattr(reloader, "deduper_reloader", None), "enabled", None)
    return {name: getattr(reloader, name) for name in _RELOADER if hasattr(reloader, name)}, smart


def _restore_autoreload(shell: InteractiveShell, carried: Any) -> None:
    values, smart = carried
    reloader = _reloader(shell)
    vars(reloader).update(values)
    magics = shell.magics_manager.registry["AutoreloadMagics"]
    if hasattr(magics, "loaded_modules"):
        magics.loaded_modules.update(sys.modules)  # or it would take them, and their files as they are then, for new
    if smart is not None:
        reloader.deduper_reloader.enabled = smart


CARRIERS = (
    Carrier(
        "extensions",
        _capture_extensions,
        _restore_extensions,
        "before",
        lambda shell: set(shell.extension_manager.loaded),
    ),
    Carrier("magics", _capture_magics, _restore_magics, "after", _read_magics),
    Carrier("events", _capture_events, _restore_events, "after", _read_events),
    Carrier("transformers", _capture_transformers, _restore_transformers, "after", _read_transformers),
    Carrier("exception handler", _capture_handler, _restore_handler),
    Carrier("autoreload", _capture_autoreload, _restore_autoreload),
)
