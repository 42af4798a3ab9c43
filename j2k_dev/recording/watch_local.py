"""Modules beside the notebook: what they hold is the notebook's, however deep it is.

There are few of them and they hold little, so their data are hashed after each cell: a change deep inside is seen, too.
"""

from __future__ import annotations

import hashlib
import os
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cloudpickle

from j2k_dev.recording.watch_places import IGNORED
from j2k_dev.recording.watch_policy import is_importable
from j2k_dev.worker.state.looking import is_a, own_dict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def is_local(module: str) -> bool:
    """Tell modules whose file is below the working directory, other than installed ones."""
    file = (own_dict(sys.modules.get(module)) or {}).get("__file__")
    if not isinstance(file, str):
        return False
    path = Path(os.path.abspath(file))  # noqa: PTH100 - links are left as they are
    return Path.cwd() in path.parents and "site-packages" not in path.parts


class LocalModules:
    """Remembers what the modules beside the notebook held."""

    def __init__(self) -> None:
        self._local: dict[str, bool] = {}
        self._digests: dict[str, bytes | None] = {}

    def refresh(self, modules: Iterable[str]) -> None:
        """Take everything as it is for what was there."""
        for _ in self.changes(modules):
            pass

    def changes(self, modules: Iterable[str]) -> Iterator[tuple[str, Any]]:
        """Yield path and value of what holds something else than at the last look."""
        for name in modules:
            if name not in self._local:
                self._local[name] = is_local(name)
            if self._local[name] and name in sys.modules:
                yield from self._changed(name)

    def _changed(self, name: str) -> Iterator[tuple[str, Any]]:
        for path, value in _data(name):
            digest = _digest(value)
            if self._digests.get(path, digest) != digest:
                yield path, value
            self._digests[path] = digest


def _data(name: str) -> Iterator[tuple[str, Any]]:
    """Yield the data of a module and of the classes it defines."""
    for attribute, value in list(own_dict(sys.modules[name]).items()):
        if is_a(value, type) and value.__module__ == name:
            for inner, held in list(vars(value).items()):
                if _is_data(inner, held):
                    yield f"{name}:{attribute}.{inner}", held
        elif _is_data(attribute, value):
            yield f"{name}:{attribute}", value


def _is_data(name: str, value: Any) -> bool:
    if name in IGNORED or (name.startswith("__") and name.endswith("__")):
        return False
    kinds = (types.FunctionType, types.ModuleType, type, staticmethod, classmethod, property)
    return not is_a(value, kinds) and not is_importable(value)


def _digest(value: Any) -> bytes | None:
    """Return a hash of what something holds, None where it can't be pickled: then only its surface is watched."""
    try:
        return hashlib.blake2b(cloudpickle.dumps(value), digest_size=16).digest()
    except Exception:  # noqa: BLE001 - objects fail to pickle in any way they like
        return None
