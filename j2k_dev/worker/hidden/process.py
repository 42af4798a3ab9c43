"""State of the interpreter and the process: environment, path, limits, hooks, signals, streams, locale."""

from __future__ import annotations

import copy
import importlib
import locale
import os
import signal
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from j2k_dev.worker.hidden.carrier import (
    Carrier,
    apply_changes,
    changed_list,
    is_notebooks,
    list_changes,
    start_of,
)

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


@dataclass(frozen=True)
class Setting:
    """A number or the like that a module keeps, read and set by functions of it."""

    module: str
    get: str
    set: str
    spread: bool = False

    def read(self) -> Any:
        """Return the value, or None where the module is not loaded or this Python does not know it."""
        read = getattr(sys.modules.get(self.module), self.get, None)
        return read() if read else None

    def write(self, value: Any) -> None:
        """Set the value."""
        write = getattr(importlib.import_module(self.module), self.set)
        write(*value) if self.spread else write(value)


SETTINGS = (
    Setting("sys", "getrecursionlimit", "setrecursionlimit"),
    Setting("sys", "get_int_max_str_digits", "set_int_max_str_digits"),
    Setting("sys", "getswitchinterval", "setswitchinterval"),
    Setting("sys", "get_coroutine_origin_tracking_depth", "set_coroutine_origin_tracking_depth"),
    Setting("socket", "getdefaulttimeout", "setdefaulttimeout"),
    Setting("threading", "stack_size", "stack_size"),
    Setting("gc", "get_threshold", "set_threshold", spread=True),
    Setting("gc", "get_debug", "set_debug"),
    Setting("csv", "field_size_limit", "field_size_limit"),
)

_HOOKS = ("excepthook", "unraisablehook", "breakpointhook", "tracebacklimit", "dont_write_bytecode", "pycache_prefix")
_LAST_ERROR = ("last_type", "last_value", "last_traceback", "last_exc")
_STREAMS = ("stdin", "stdout", "stderr")
_CATEGORIES = tuple(name for name in dir(locale) if name.startswith("LC_") and name != "LC_ALL")


def _capture_environment(shell: InteractiveShell) -> Any:
    start, zone = start_of(shell, "environment")
    now = dict(os.environ)
    changed = {name: value for name, value in now.items() if start.get(name) != value}
    gone = [name for name in start if name not in now]
    zone_moved = time.tzname != zone
    return ((changed, gone), zone_moved) if changed or gone or zone_moved else None


def _restore_environment(_shell: InteractiveShell, carried: Any) -> None:
    changes, zone_moved = carried
    apply_changes(os.environ, changes)  # type: ignore[arg-type]  # a mapping that behaves as a dict does
    if zone_moved:
        time.tzset()


def _capture_path(shell: InteractiveShell) -> Any:
    start = start_of(shell, "path")
    return None if sys.path == start else (start, list(sys.path))


def _restore_path(shell: InteractiveShell, carried: Any) -> None:
    """Set the path, keeping at its end what only this process has there (where it was started from)."""
    its_start, path = carried
    own = [entry for entry in start_of(shell, "path") if entry not in its_start and entry not in path]
    sys.path[:] = path + own


def _read_settings(_shell: InteractiveShell) -> dict[tuple[str, str], Any]:
    import gc  # noqa: PLC0415 - next to its only use

    values = {(setting.module, setting.set): setting.read() for setting in SETTINGS}
    mask = os.umask(0)
    os.umask(mask)
    return values | {("os", "umask"): mask, ("gc", "enable" if gc.isenabled() else "disable"): ()}


def _capture_settings(shell: InteractiveShell) -> Any:
    start = start_of(shell, "settings")
    now = _read_settings(shell)
    return {key: value for key, value in now.items() if value is not None and start.get(key) != value} or None


def _restore_settings(_shell: InteractiveShell, carried: dict[tuple[str, str], Any]) -> None:
    spread = {(setting.module, setting.set) for setting in SETTINGS if setting.spread}
    for key, value in carried.items():
        write = getattr(importlib.import_module(key[0]), key[1])
        write(*value) if key in spread or value == () else write(value)


def _read_hooks(_shell: InteractiveShell) -> dict[str, Any]:
    return {name: getattr(sys, name, None) for name in _HOOKS} | {"argv": list(sys.argv)}


def _capture_hooks(shell: InteractiveShell) -> Any:
    start = start_of(shell, "sys")
    now = _read_hooks(shell)
    changed = {name: value for name, value in now.items() if value is not start[name]}
    if changed["argv"] == start["argv"]:
        del changed["argv"]
    return changed or None


def _restore_hooks(_shell: InteractiveShell, carried: dict[str, Any]) -> None:
    for name, value in carried.items():
        if name == "argv":
            sys.argv[:] = value
        elif value is None and name == "tracebacklimit":
            del sys.tracebacklimit
        else:
            setattr(sys, name, value)


def _capture_last_error(_shell: InteractiveShell) -> Any:
    """Capture the error that ``%tb`` shows again, unless it can't travel: then ``%tb`` says that there is none."""
    from j2k_dev.worker.snapshot import pickles  # noqa: PLC0415 - it imports what imports this

    found = {name: getattr(sys, name) for name in _LAST_ERROR if hasattr(sys, name)}
    return found if found and _can_be_made(found.get("last_value")) and pickles(found) else None


def _can_be_made(error: BaseException | None) -> bool:
    """Tell whether making an error, and what it came from, needs no more than what it says it needs."""
    while error is not None:
        try:
            copy.copy(error)
        except Exception:  # noqa: BLE001 - an error's class may raise anything
            return False
        error = error.__cause__ or error.__context__
    return True


def _restore_last_error(_shell: InteractiveShell, carried: dict[str, Any]) -> None:
    for name, value in carried.items():
        setattr(sys, name, value)


def _capture_finders(_shell: InteractiveShell) -> Any:
    return [(place, finder) for place, finder in enumerate(sys.meta_path) if is_notebooks(finder)] or None


def _restore_finders(_shell: InteractiveShell, carried: list[tuple[int, Any]]) -> None:
    for place, finder in carried:
        sys.meta_path.insert(place, finder)


def start_stream(name: str) -> Any:
    """Return the stream that this process had under ``name`` in ``sys`` when it started."""
    from IPython import get_ipython  # noqa: PLC0415 - next to its only use

    return start_of(get_ipython(), "streams")[name]


def name_of_stream(shell: InteractiveShell, value: Any) -> str | None:
    """Return the name in ``sys`` of a stream that was there when the process started."""
    return next((name for name, stream in start_of(shell, "streams").items() if stream is value), None)


def _read_streams(_shell: InteractiveShell) -> dict[str, Any]:
    return {name: getattr(sys, name) for name in _STREAMS}


def _capture_streams(shell: InteractiveShell) -> Any:
    start = start_of(shell, "streams")
    return {name: stream for name, stream in _read_streams(shell).items() if stream is not start[name]} or None


def _restore_streams(_shell: InteractiveShell, carried: dict[str, Any]) -> None:
    for name, stream in carried.items():
        setattr(sys, name, stream)


def _read_signals(_shell: InteractiveShell) -> dict[int, Any]:
    return {number: signal.getsignal(number) for number in signal.valid_signals()}


def _capture_signals(shell: InteractiveShell) -> Any:
    start = start_of(shell, "signals")
    handlers = {
        int(number): handler
        for number, handler in _read_signals(shell).items()
        if handler is not None and handler is not start[number] and handler != start[number]
    }
    timer = signal.getitimer(signal.ITIMER_REAL)
    return (handlers, timer) if handlers or timer[0] else None


def _restore_signals(_shell: InteractiveShell, carried: Any) -> None:
    handlers, timer = carried
    for number, handler in handlers.items():
        signal.signal(number, handler)
    if timer[0]:
        signal.setitimer(signal.ITIMER_REAL, *timer)


def _read_locale(_shell: InteractiveShell) -> dict[str, str]:
    return {name: locale.setlocale(getattr(locale, name)) for name in _CATEGORIES}


def _capture_locale(shell: InteractiveShell) -> Any:
    start = start_of(shell, "locale")
    return {name: value for name, value in _read_locale(shell).items() if start[name] != value} or None


def _restore_locale(_shell: InteractiveShell, carried: dict[str, str]) -> None:
    for name, value in carried.items():
        locale.setlocale(getattr(locale, name), value)


def _read_callbacks(_shell: InteractiveShell) -> list[Any]:
    import gc  # noqa: PLC0415 - next to its only use

    return list(gc.callbacks)


def _capture_callbacks(shell: InteractiveShell) -> Any:
    own = [callback for callback in _read_callbacks(shell) if is_notebooks(callback)]
    return list_changes(own, []) if own else None


def _restore_callbacks(_shell: InteractiveShell, carried: list[Any]) -> None:
    import gc  # noqa: PLC0415 - next to its only use

    gc.callbacks.extend(changed_list(carried, []))


def _read_dialects(_shell: InteractiveShell) -> dict[str, Any]:
    csv = sys.modules.get("csv")
    return {name: csv.get_dialect(name) for name in csv.list_dialects()} if csv else {}


_DIALECT = ("delimiter", "quotechar", "escapechar", "doublequote", "skipinitialspace", "lineterminator", "quoting")
_DIALECT_NAMES = frozenset({"excel", "excel-tab", "unix"})


def _capture_dialects(shell: InteractiveShell) -> Any:
    return {
        name: {part: getattr(dialect, part) for part in (*_DIALECT, "strict")}
        for name, dialect in _read_dialects(shell).items()
        if name not in _DIALECT_NAMES
    } or None


def _restore_dialects(_shell: InteractiveShell, carried: dict[str, dict[str, Any]]) -> None:
    import csv  # noqa: PLC0415 - next to its only use

    for name, parts in carried.items():
        csv.register_dialect(name, **parts)


CARRIERS = (
    Carrier(
        "environment",
        _capture_environment,
        _restore_environment,
        "before",
        lambda _shell: (dict(os.environ), time.tzname),
    ),
    Carrier("path", _capture_path, _restore_path, "before", lambda _shell: list(sys.path)),
    Carrier("locale", _capture_locale, _restore_locale, "before", _read_locale),
    Carrier("settings", _capture_settings, _restore_settings, "before", _read_settings),
    Carrier("sys", _capture_hooks, _restore_hooks, "after", _read_hooks),
    Carrier("last error", _capture_last_error, _restore_last_error),
    Carrier("import finders", _capture_finders, _restore_finders),
    Carrier("streams", _capture_streams, _restore_streams, "after", _read_streams),
    Carrier("signals", _capture_signals, _restore_signals, "after", _read_signals),
    Carrier("gc callbacks", _capture_callbacks, _restore_callbacks),
    Carrier("csv dialects", _capture_dialects, _restore_dialects),
)
