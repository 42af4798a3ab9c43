"""The watcher: notices, while recording, what a cell changed outside the namespace.

Attributes of library modules, of their classes and of the objects they hold, and the contents of their containers are
compared before and after each cell (``watch_places``), imports left out (``watch_imports``). What is worth carrying is
decided in ``watch_policy``. Paths are ``module:name.name``, which ``worker.hidden.changes`` reads and sets.
"""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from j2k_dev.recording.watch_assigned import assigned_targets, path_of, resolve
from j2k_dev.recording.watch_imports import on_imports
from j2k_dev.recording.watch_places import IGNORED, Place, Places
from j2k_dev.recording.watch_policy import can_travel, holds_notebooks, is_importable, is_notebooks, is_plain, pickles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Kind = Literal["rebound", "added", "deleted", "contents"]
_ABSENT = object()


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


@dataclass(frozen=True)
class _Seen:
    path: str
    kind: Kind
    value: Any


class Watcher:
    """Compares libraries before and after each cell."""

    def __init__(self) -> None:
        self._places = Places()
        self._seen: dict[str, _Seen] = {}
        self._targets: set[tuple[str, str]] = set()
        self._stop: Callable[[], None] | None = None

    def start(self) -> None:
        """Take everything as it is and begin to notice changes; the working directory is the notebook's."""
        self._places.take_in()
        self._stop = on_imports(self._note, self._places.refresh)

    def stop(self) -> None:
        """Leave imports alone again."""
        if self._stop is not None:
            self._stop()

    def after_cell(self, source: str) -> tuple[Change, ...]:
        """Return what the cell that just ran changed; ``source`` is its text."""
        self._note()
        self._targets |= assigned_targets(_plain_python(source))
        meant = dict(self._meant())
        seen, self._seen = self._seen, {}
        local = {name for name in {_module_of(path) for path in seen} if _is_local(name)}
        changes = [_judge_meant(path, seen.get(path), holder) for path, holder in meant.items()]
        by_module: dict[str, list[_Seen]] = defaultdict(list)
        for path, change in seen.items():
            if path not in meant:
                by_module[_module_of(path)].append(change)
        for module, group in by_module.items():
            changes += _judge_local(group) if module in local else _judge(group)
        return tuple(change for change in changes if change is not None)

    def _note(self) -> None:
        """Collect what changed since the last look; run before an import too, whose own changes don't count."""
        for place, before in self._places.changes():
            for change in _differences(place, before):
                self._seen[change.path] = change

    def _meant(self) -> Iterator[tuple[str, Any]]:
        """Yield path and holder of the library attributes that any cell's text so far assigns."""
        namespace = vars(sys.modules["__main__"])
        for expression, attribute in sorted(self._targets):
            holder = resolve(expression, namespace)
            place = None if holder is None else path_of(holder)
            if place is not None:
                yield f"{place[0]}:{place[1]}{attribute}", holder


def _module_of(path: str) -> str:
    return path.partition(":")[0]


def _plain_python(source: str) -> str:
    """Turn a cell's text into Python."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    try:
        return str(shell.transform_cell(source)) if shell else source
    except Exception:  # noqa: BLE001 - the user's own transformers
        return source


def _differences(place: Place, before: Any) -> Iterator[_Seen]:
    if place.shape != "names":
        yield _Seen(place.path, "contents", place.held)
        return
    now = place.copy
    for name in {**before, **now}:
        if name in IGNORED or not isinstance(name, str) or before.get(name, _ABSENT) is now.get(name, _ABSENT):
            continue
        kind: Kind = "deleted" if name not in now else "rebound" if name in before else "added"
        yield _Seen(f"{place.path}{name}", kind, now.get(name))


def _judge_meant(path: str, seen: _Seen | None, holder: Any) -> Change | None:
    """Judge what the notebook's text assigns; where nothing was seen there the assignment went elsewhere."""
    name = path.rpartition(":")[2].rpartition(".")[2]
    attributes = getattr(holder, "__dict__", {})
    if seen is None and name not in attributes:
        return None
    value = attributes.get(name)
    kind = seen.kind if seen else "rebound"
    travels = name not in attributes or is_plain(value) or is_notebooks(value) or is_importable(value) or pickles(value, sys.maxsize)
    return Change(path, kind, carried=travels, refused=not travels)


def _judge(group: list[_Seen]) -> list[Change]:
    """Judge what changed in one module of a library."""
    own = [change for change in group if change.kind != "deleted" and _is_own(change.value)]
    rest = [change for change in group if change not in own]
    together = all(change.kind == "deleted" or can_travel(change.value) for change in rest)
    return [Change(change.path, change.kind, carried=True) for change in own] + [
        Change(change.path, change.kind, carried=together) for change in rest
    ]


def _is_own(value: Any) -> bool:
    return is_notebooks(value) or holds_notebooks(value)


def _judge_local(group: list[_Seen]) -> list[Change]:
    """Judge what changed in a module beside the notebook."""
    verdicts = [(change, change.kind == "deleted" or can_travel(change.value) or pickles(change.value, sys.maxsize)) for change in group]
    return [Change(change.path, change.kind, carried=travels, refused=not travels) for change, travels in verdicts]


def _is_local(module: str) -> bool:
    """Tell modules whose file is below the working directory, other than installed ones."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if not isinstance(file, str):
        return False
    path = Path(os.path.abspath(file))  # noqa: PTH100 - links are left as they are
    return Path.cwd() in path.parents and "site-packages" not in path.parts


__all__ = ["Change", "Watcher"]
