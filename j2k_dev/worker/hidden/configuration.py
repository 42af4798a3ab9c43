"""IPython's settings: traits that ``%config``, ``%precision``, ``%xmode`` and assignments change, and formatters."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from j2k_dev.worker.hidden.carrier import Carrier, apply_changes, dict_changes, is_notebooks, is_plain, start_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from IPython.core.interactiveshell import InteractiveShell

_TABLES = ("singleton_printers", "type_printers", "deferred_printers")
# Carried elsewhere, or what binds an object to its process.
_NOT_TRAITS = frozenset({*_TABLES, "ast_transformers", "input_transformers_post", "config", "parent", "log"})
_PLAIN_TRAITS = ("float_format", "enabled")
_LIBRARIES = ("IPython", "ipykernel", "matplotlib_inline")
_TRACEBACKS = ("mode", "skip_hidden", "long_header", "include_vars", "call_pdb")


def _configurables(shell: InteractiveShell) -> Iterator[tuple[str, Any]]:
    for part in shell.configurables:
        yield type(part).__name__, part
    yield from shell.display_formatter.formatters.items()


def _values(part: Any) -> dict[str, Any]:
    """Return the traits of an object that have a value of their own; containers are copied, they may change."""
    known = part._trait_values  # noqa: SLF001 - asking for a trait by name would set it to its default
    names = [name for name, trait in part._traits.items() if trait.metadata.get("config") or name in _PLAIN_TRAITS]  # noqa: SLF001 - asking for a trait by name would set it to its default
    return {name: _frozen(known[name]) for name in names if name in known and name not in _NOT_TRAITS}


def _frozen(value: Any) -> Any:
    return type(value)(value) if type(value) in (list, dict, set) else value


def _read(shell: InteractiveShell) -> dict[str, dict[str, Any]]:
    return {name: _values(part) for name, part in _configurables(shell)}


def _capture(shell: InteractiveShell) -> Any:
    start, missing = start_of(shell, "configuration"), object()
    now = _read(shell)
    changed = {}
    for part, values in now.items():
        before = start.get(part, {})
        moved = {name: value for name, value in values.items() if before.get(name, missing) != value}
        if moved:
            changed[part] = moved
    return changed or None


def _restore(shell: InteractiveShell, carried: dict[str, dict[str, Any]]) -> None:
    if "InlineBackend" in carried:
        _inline(shell)
    parts = dict(_configurables(shell))
    for part, values in carried.items():
        for name, value in values.items():
            if part in parts and getattr(parts[part], name) != value:
                setattr(parts[part], name, value)


def _inline(shell: InteractiveShell) -> None:
    settings = importlib.import_module("matplotlib_inline.config").InlineBackend.instance(parent=shell)
    settings.shell = shell
    if settings not in shell.configurables:
        shell.configurables.append(settings)


def _classes(shell: InteractiveShell) -> dict[tuple[str, str], type]:
    """Return the classes of the shell and its parts: notebooks set ``InteractiveShell.some_option``, too."""
    return {
        (kind.__module__, kind.__name__): kind
        for _, part in _configurables(shell)
        for kind in type(part).__mro__
        if kind.__module__.partition(".")[0] in _LIBRARIES
    }


def _read_classes(shell: InteractiveShell) -> dict[tuple[str, str], dict[str, Any]]:
    return {key: dict(vars(kind)) for key, kind in _classes(shell).items()}


def _capture_classes(shell: InteractiveShell) -> Any:
    start = start_of(shell, "shell classes")
    found = {}
    for key, kind in _classes(shell).items():
        changed, gone = dict_changes(vars(kind), start[key]) or ({}, []) if key in start else ({}, [])
        own = {name: value for name, value in changed.items() if is_plain(value) or is_notebooks(value)}
        if own or gone:
            found[key] = own, gone
    return found or None


def _restore_classes(shell: InteractiveShell, carried: dict[tuple[str, str], Any]) -> None:
    kinds = _classes(shell)
    for key, (changed, gone) in carried.items():
        for name, value in changed.items():
            type.__setattr__(kinds[key], name, value)
        for name in gone:
            type.__delattr__(kinds[key], name)


def _read_printers(shell: InteractiveShell) -> dict[tuple[str, str], dict[Any, Any]]:
    formatters = shell.display_formatter.formatters
    return {(mime, table): dict(getattr(formatters[mime], table)) for mime in formatters for table in _TABLES}


def _capture_printers(shell: InteractiveShell) -> Any:
    start = start_of(shell, "formatters")
    changes = {key: dict_changes(now, start.get(key, {})) for key, now in _read_printers(shell).items()}
    return {key: change for key, change in changes.items() if change} or None


def _restore_printers(shell: InteractiveShell, carried: dict[tuple[str, str], Any]) -> None:
    formatters = shell.display_formatter.formatters
    for (mime, table), changes in carried.items():
        if mime in formatters:
            apply_changes(getattr(formatters[mime], table), changes)


def _read_formatters(shell: InteractiveShell) -> dict[str, Any]:
    return dict(shell.display_formatter.formatters)


def _capture_formatters(shell: InteractiveShell) -> Any:
    """Capture whole formatters that the notebook put in for a MIME type."""
    return dict_changes(_read_formatters(shell), start_of(shell, "formatter objects"))


def _restore_formatters(shell: InteractiveShell, carried: Any) -> None:
    apply_changes(shell.display_formatter.formatters, carried)


def _read_tracebacks(shell: InteractiveShell) -> dict[str, Any]:
    return {name: getattr(shell.InteractiveTB, name, None) for name in _TRACEBACKS}


def _capture_tracebacks(shell: InteractiveShell) -> Any:
    start = start_of(shell, "tracebacks")
    return {name: value for name, value in _read_tracebacks(shell).items() if value != start[name]} or None


def _restore_tracebacks(shell: InteractiveShell, carried: dict[str, Any]) -> None:
    for name, value in carried.items():
        if name == "mode":
            shell.InteractiveTB.set_mode(value)
        else:
            setattr(shell.InteractiveTB, name, value)


def _capture_own(shell: InteractiveShell) -> Any:
    """Capture functions and objects of the notebook that it put on the shell itself."""
    start = start_of(shell, "shell attributes")
    own = {name: value for name, value in vars(shell).items() if value is not start.get(name) and is_notebooks(value)}
    meta = {name: value for name, value in shell.meta.items() if start["meta"].get(name) is not value}
    return (own, meta) if own or meta else None


def _restore_own(shell: InteractiveShell, carried: Any) -> None:
    own, meta = carried
    vars(shell).update(own)
    shell.meta.update(meta)


def _read_config(shell: InteractiveShell) -> dict[str, dict[str, Any]]:
    return {part: dict(settings) for part, settings in shell.config.items()}


def _capture_config(shell: InteractiveShell) -> Any:
    """Capture what ``%config`` set for parts that are not there yet: matplotlib's, before it is imported."""
    start, now = start_of(shell, "config"), _read_config(shell)
    return {part: settings for part, settings in now.items() if settings != start.get(part)} or None


def _restore_config(shell: InteractiveShell, carried: dict[str, dict[str, Any]]) -> None:
    config = type(shell.config)
    shell.config.merge(config({part: config(settings) for part, settings in carried.items()}))


CARRIERS = (
    Carrier("config", _capture_config, _restore_config, "before", _read_config),
    Carrier("configuration", _capture, _restore, "after", _read),
    Carrier("shell classes", _capture_classes, _restore_classes, "after", _read_classes),
    Carrier("formatter objects", _capture_formatters, _restore_formatters, "after", _read_formatters),
    Carrier("formatters", _capture_printers, _restore_printers, "after", _read_printers),
    Carrier("tracebacks", _capture_tracebacks, _restore_tracebacks, "after", _read_tracebacks),
    Carrier(
        "shell attributes",
        _capture_own,
        _restore_own,
        "after",
        lambda shell: vars(shell) | {"meta": dict(shell.meta)},
    ),
)
