"""Logging: loggers, levels, handlers and what else the module keeps.

Loggers pickle by name. Handlers do not pickle at all because of their lock and their stream; ``reduce_handler`` does
it, for those in the namespace too, so that ``handler`` there stays the one that its logger uses.
"""

from __future__ import annotations

import io
import logging
import pickle
from typing import TYPE_CHECKING, Any

from j2k_dev.worker.hidden.carrier import Carrier, is_notebooks, start_of
from j2k_dev.worker.state.open_files import waiting_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from IPython.core.interactiveshell import InteractiveShell

_PLAIN = ("level", "disabled", "propagate")


def reduce_handler(handler: logging.Handler) -> tuple[Any, ...]:
    """Reduce a handler to its class and attributes; a file is opened again where it ends."""
    state = {name: value for name, value in vars(handler).items() if name != "lock"}
    if isinstance(handler, logging.FileHandler):
        _refuse_waiting(handler)
        state |= {"stream": None, "mode": handler.mode.replace("w", "a").replace("x", "a")}
    return make_handler, (type(handler),), state, None, None, set_handler


def _refuse_waiting(handler: logging.FileHandler) -> None:
    """Refuse a file into which the notebook itself wrote text that waits; what is logged never waits."""
    stream: Any = handler.stream
    if isinstance(stream, io.TextIOWrapper) and not stream.closed and waiting_text(stream):
        raise pickle.PicklingError(f"cannot hand over {handler!r}: flush it in its cell")


def make_handler(kind: type[logging.Handler]) -> logging.Handler:
    """Make a handler that has nothing yet."""
    return kind.__new__(kind)


def set_handler(handler: logging.Handler, state: dict[str, Any]) -> None:
    """Give a handler its attributes and make it known to ``logging``."""
    vars(handler).update(state)
    handler.createLock()
    logging._addHandlerRef(handler)  # type: ignore[attr-defined]  # noqa: SLF001 - logging has no public way to it
    if state.get("_name"):
        logging._handlers[state["_name"]] = handler  # type: ignore[attr-defined]  # noqa: SLF001 - logging has no public way to it


def _loggers() -> Iterator[tuple[str | None, logging.Logger]]:
    yield None, logging.root
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger):
            yield name, logger


def _read_logger(logger: logging.Logger) -> dict[str, Any]:
    return {
        **{name: getattr(logger, name) for name in _PLAIN},
        "handlers": list(logger.handlers),
        "filters": list(logger.filters),
    }


def _usual(state: dict[str, Any]) -> bool:
    return state == {"level": 0, "disabled": False, "propagate": True, "handlers": [], "filters": []}


def _read_loggers() -> dict[str | None, dict[str, Any]]:
    states = {name: _read_logger(logger) for name, logger in _loggers()}
    return {name: state for name, state in states.items() if name is None or not _usual(state)}


def _read_module() -> dict[str, Any]:
    return {
        "disable": logging.root.manager.disable,
        "raise": logging.raiseExceptions,
        "names": dict(logging._levelToName),  # noqa: SLF001 - logging has no public way to it
        "last": logging.lastResort,
    }


def _start(_shell: InteractiveShell) -> Any:
    return _read_loggers(), _read_module()


def _capture(shell: InteractiveShell) -> Any:
    loggers, module = start_of(shell, "logging")
    now = _read_loggers()
    changed = {name: state for name, state in now.items() if loggers.get(name) != state}
    kept = {name: value for name, value in _read_module().items() if module[name] != value}
    factory, kind = logging.getLogRecordFactory(), logging.getLoggerClass()
    carried = {
        "loggers": changed,
        "reset": [name for name in loggers if name not in now],
        "module": kept,
        "factory": factory if is_notebooks(factory) else None,
        "class": kind if is_notebooks(kind) else None,
        "warnings": logging._warnings_showwarning is not None,  # type: ignore[attr-defined]  # noqa: SLF001 - logging has no public way to it
    }
    return carried if any(carried.values()) else None


def _restore(_shell: InteractiveShell, carried: dict[str, Any]) -> None:
    if carried["class"]:
        logging.setLoggerClass(carried["class"])
    if carried["factory"]:
        logging.setLogRecordFactory(carried["factory"])
    if carried["warnings"]:
        logging.captureWarnings(True)  # noqa: FBT003 - its only parameter
    _restore_module(carried["module"])
    for name in carried["reset"]:
        _set_logger(logging.getLogger(name), {"level": 0, "disabled": False, "propagate": True})
    for name, state in carried["loggers"].items():
        _set_logger(logging.getLogger(name), state)


def _restore_module(values: dict[str, Any]) -> None:
    if "disable" in values:
        logging.disable(values["disable"])
    if "raise" in values:
        logging.raiseExceptions = values["raise"]
    if "last" in values:
        logging.lastResort = values["last"]
    for level, name in values.get("names", {}).items():
        logging.addLevelName(level, name)


def _set_logger(logger: logging.Logger, state: dict[str, Any]) -> None:
    logger.setLevel(state["level"])
    logger.disabled, logger.propagate = state["disabled"], state["propagate"]
    logger.handlers[:] = state.get("handlers", [])
    logger.filters[:] = state.get("filters", [])


CARRIERS = (Carrier("logging", _capture, _restore, "after", _start),)
