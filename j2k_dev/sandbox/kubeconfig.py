"""The user's own kubeconfig: a sandbox's context is added to it only on request, and taken out again."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from j2k_dev.model.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping

_LISTS = ("clusters", "contexts", "users")
_EMPTY = {"apiVersion": "v1", "kind": "Config", "preferences": {}}


def user_kubeconfig(environment: Mapping[str, str] = os.environ) -> Path:
    """Name the file that kubectl writes new contexts to: the first of KUBECONFIG, else the usual one."""
    named = [part for part in environment.get("KUBECONFIG", "").split(os.pathsep) if part]
    return Path(named[0]) if named else Path.home() / ".kube" / "config"


def add_context(sandbox: Path, user: Path) -> None:
    """Add the cluster, context and user of a sandbox's kubeconfig; the current context changes only if none is set."""
    ours, theirs = _read(sandbox), _read(user)
    for kind in _LISTS:
        theirs[kind] = [*_without(theirs, kind, _names(ours, kind)), *ours[kind]]
    theirs["current-context"] = theirs.get("current-context") or ours["current-context"]
    _write(user, theirs)


def remove_context(context: str, user: Path) -> bool:
    """Take out what kind calls by this name everywhere; say whether it was there."""
    theirs = _read(user)
    if context not in {name for kind in _LISTS for name in _names(theirs, kind)}:
        return False
    for kind in _LISTS:
        theirs[kind] = _without(theirs, kind, {context})
    if theirs.get("current-context") == context:
        theirs["current-context"] = ""
    _write(user, theirs)
    return True


def _names(config: dict[str, Any], kind: str) -> set[str]:
    return {entry["name"] for entry in config.get(kind) or ()}


def _without(config: dict[str, Any], kind: str, names: set[str]) -> list[Any]:
    return [entry for entry in config.get(kind) or () if entry["name"] not in names]


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return dict(_EMPTY)
    way_out = "mend it, or name another file: KUBECONFIG=FILE"
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise BadInput(f"the kubeconfig {path} can't be read", way_out, str(error)) from error
    if config is not None and not (isinstance(config, dict) and all(_is_listed(config, kind) for kind in _LISTS)):
        raise BadInput(f"{path} is no kubeconfig", way_out)
    return config or dict(_EMPTY)


def _is_listed(config: dict[str, Any], kind: str) -> bool:
    entries = config.get(kind) or []
    return isinstance(entries, list) and all(isinstance(entry, dict) and "name" in entry for entry in entries)


def _write(path: Path, config: dict[str, Any]) -> None:
    """Write the file as a whole or not at all, readable to its owner only if it is new."""
    # Through a link, as kubectl does: many keep the file elsewhere.
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=".j2k-", dir=target.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        yaml.safe_dump(config, file, sort_keys=False)
    if target.exists():
        shutil.copymode(target, temporary)
    Path(temporary).replace(target)
