"""The watcher: notices, while recording, what a cell changed outside the namespace.

Attributes of library modules, of their classes and of the objects they hold, and the contents of their containers are
compared before and after each cell (``watch_places``), imports left out (``watch_imports``). What is worth carrying is
decided in ``watch_policy``. Paths are ``module:name.name`` or ``module:name['entry']``; ``worker.hidden.changes`` reads
and sets them.
"""

from __future__ import annotations

import sys
import types
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from j2k_dev.recording.watch_assigned import assigned_targets, is_set_by_class, path_of, resolve
from j2k_dev.recording.watch_imports import on_imports
from j2k_dev.recording.watch_local import LocalModules, is_local
from j2k_dev.recording.watch_places import IGNORED, Place, Places
from j2k_dev.recording.watch_policy import (
    can_travel,
    is_cache,
    is_done_flag,
    is_importable,
    is_own,
    is_patch,
    is_plain,
    travels_anyhow,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Kind = Literal["rebound", "added", "deleted", "contents"]
_ABSENT = object()
# State that has a carrier of its own (``worker.hidden.process``).
_CARRIED = frozenset({
    "sys:stdin", "sys:stdout", "sys:stderr", "sys:argv", "sys:path", "sys:excepthook", "sys:unraisablehook",
    "sys:breakpointhook", "sys:tracebacklimit", "sys:dont_write_bytecode", "sys:pycache_prefix",
    "sys:last_type", "sys:last_value", "sys:last_traceback", "sys:last_exc",
})  # fmt: skip


@dataclass(frozen=True)
class Change:
    """Something outside the namespace that a cell changed; carried, refused (can't be pickled), or neither: noise."""

    path: str
    kind: Kind
    carried: bool = False
    refused: bool = False

    @property
    def module(self) -> str:
        """The module it is in."""
        return self.path.partition(":")[0]

    @property
    def owner(self) -> str | None:
        """The class or object in that module that has the attribute, if it isn't the module itself."""
        return self.path.partition(":")[2].rpartition(".")[0] or None

    @property
    def attribute(self) -> str:
        """The attribute's own name."""
        return self.path.partition(":")[2].rpartition(".")[2]


@dataclass(frozen=True, eq=False)
class _Seen:
    path: str
    kind: Kind
    value: Any
    before: Any = _ABSENT


class Watcher:
    """Compares libraries before and after each cell."""

    def __init__(self) -> None:
        self._places = Places()
        self._local = LocalModules()
        self._seen: dict[str, _Seen] = {}
        self._targets: set[tuple[str, str]] = set()
        self._known: dict[tuple[str, int], tuple[str, str] | None] = {}
        self._stop: Callable[[], None] | None = None
        self._bug: Exception | None = None

    def start(self) -> None:
        """Take everything as it is and begin to notice changes; the working directory is the notebook's."""
        self._refresh()
        self._stop = on_imports(self._guarded(self._note), self._guarded(self._refresh))

    def stop(self) -> None:
        """Leave imports alone again."""
        if self._stop is not None:
            self._stop()

    def after_cell(self, source: str) -> tuple[Change, ...]:
        """Return what the cell that just ran changed; ``source`` is its text."""
        if self._bug is not None:
            raise self._bug
        self._note()
        self._targets |= assigned_targets(_plain_python(source))
        meant = dict(self._meant())
        seen, self._seen = self._seen, {}
        explained = {*meant, *_explained(seen, meant)}
        changes = [_judge_meant(path, seen.get(path), holder) for path, holder in meant.items()]
        groups: dict[str, list[_Seen]] = defaultdict(list)
        for path, change in seen.items():
            if path not in explained:
                groups[path.partition(":")[0]].append(change)
        for module, group in groups.items():
            changes += _judge_local(group) if is_local(module) else _judge(group)
        return tuple(change for change in changes if change is not None)

    def _guarded(self, look: Callable[[], None]) -> Callable[[], None]:
        """Keep a bug of ours out of the import that it would break; it is raised when the cell is over."""

        def guarded() -> None:
            try:
                look()
            except Exception as error:  # noqa: BLE001 - raised again by after_cell
                self._bug = error

        return guarded

    def _refresh(self) -> None:
        self._places.refresh()
        self._local.refresh(self._places.modules())

    def _note(self) -> None:
        """Collect what changed since the last look; run before an import too, whose own changes don't count."""
        for place, before in self._places.changes():
            for change in _differences(place, before):
                self._seen[change.path] = change
        for path, value in self._local.changes(self._places.modules()):
            self._seen.setdefault(path, _Seen(path, "contents", value))

    def _meant(self) -> Iterator[tuple[str, Any]]:
        """Yield path and holder of the library attributes that any cell's text so far assigns."""
        namespace = vars(sys.modules["__main__"])
        for expression, attribute in sorted(self._targets):
            holder = resolve(expression, namespace)
            key = expression, id(holder)
            if key not in self._known:
                self._known[key] = None if holder is None else path_of(holder)
            place = self._known[key]
            if place is not None and (path := f"{place[0]}:{place[1]}{attribute}") not in _CARRIED:
                yield path, holder


def _plain_python(source: str) -> str:
    """Turn a cell's text into Python."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    try:
        return str(shell.transform_cell(source)) if shell else source
    except Exception:  # noqa: BLE001 - the notebook's own transformers raise what they like
        return source


def _differences(place: Place, before: Any) -> Iterator[_Seen]:
    now = place.copy
    if place.shape == "names":
        for name in {**before, **now}:
            if (
                name not in IGNORED
                and isinstance(name, str)
                and before.get(name, _ABSENT) is not now.get(name, _ABSENT)
            ):
                yield _Seen(f"{place.path}{name}", _kind(name, before, now), now.get(name), before.get(name))
    elif place.shape == "list" or any(type(key) is not str for key in {**before, **now}):
        yield _Seen(place.path, "contents", place.held)
    else:
        for key in {**before, **now}:
            if before.get(key, _ABSENT) is not now.get(key, _ABSENT):
                yield _Seen(f"{place.path}[{key!r}]", _kind(key, before, now), now.get(key))


def _kind(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> Kind:
    if name not in now:
        return "deleted"
    return "rebound" if name in before else "added"


def _judge_meant(path: str, seen: _Seen | None, holder: Any) -> Change | None:
    """Judge what the notebook's text assigns; where nothing is there it set something else, which was seen."""
    name = path.rpartition(":")[2].rpartition(".")[2]
    attributes = getattr(holder, "__dict__", {})
    if is_set_by_class(holder, name):
        travels = travels_anyhow(getattr(holder, name, None))
    elif name in attributes:
        travels = travels_anyhow(attributes[name])
    else:
        return Change(path, "deleted", carried=True) if seen else None
    return Change(path, seen.kind if seen else "rebound", carried=travels, refused=not travels)


def _explained(seen: dict[str, _Seen], meant: dict[str, Any]) -> set[str]:
    """Return the changes that setting a property made: setting it again in the new process makes them again."""
    holders = {
        path.rpartition(".")[0] for path, holder in meant.items() if is_set_by_class(holder, path.rpartition(".")[2])
    }
    return {path for path in seen if path.partition("[")[0].rpartition(".")[0] in holders}


def _judge(group: list[_Seen]) -> list[Change]:
    """Judge what changed in one module of a library."""
    changed = {change.path for change in group}
    verdicts = [(change, _verdict(change, changed)) for change in group]
    together = not any(verdict == "stays" for _, verdict in verdicts)
    return [
        Change(change.path, change.kind, carried=verdict == "goes" or (verdict == "may go" and together))
        for change, verdict in verdicts
    ]


def _verdict(change: _Seen, changed: set[str]) -> Literal["goes", "may go", "cache", "stays"]:
    if change.kind == "deleted":
        return "may go"
    if isinstance(change.value, types.FunctionType) and is_importable(change.value):
        return "may go" if f"{change.value.__module__}:{change.value.__qualname__}" not in changed else "cache"
    if is_own(change.value) or ("." in change.path.partition(":")[2] and is_patch(change.value, changed)):
        return "goes"
    if is_done_flag(change.path, change.value) or _is_made_lazily(change):
        return "stays"
    if is_cache(change.path) or isinstance(change.value, types.FunctionType) or _is_made_on_the_way(change):
        return "cache"
    return "may go" if can_travel(change.value, changed) else "stays"


def _is_made_on_the_way(change: _Seen) -> bool:
    """Tell a name that a library gives to something it made (networkx does): it makes it again where it needs it."""
    name = change.path.partition(":")[2]
    return change.kind == "added" and "." not in name and "[" not in name and not is_plain(change.value)


def _is_made_lazily(change: _Seen) -> bool:
    """Tell something that a module made the first time it needed it, in the place of None."""
    name = change.path.partition(":")[2]
    lazy = change.kind == "rebound" and change.before is None and name.startswith("_") and "." not in name
    return lazy and not is_plain(change.value)


def _judge_local(group: list[_Seen]) -> list[Change]:
    """Judge what changed in a module beside the notebook."""
    verdicts = [(change, change.kind == "deleted" or travels_anyhow(change.value)) for change in group]
    return [Change(change.path, change.kind, carried=travels, refused=not travels) for change, travels in verdicts]


__all__ = ["Change", "Watcher"]
