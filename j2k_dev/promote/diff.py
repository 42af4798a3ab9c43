"""The difference between an object on the cluster and what it is to be, field by field, and whose each field is. Pure.

Lists of named things are compared by their names, as people think of them: ``containers[worker].env[MODE].value``.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from j2k_dev.promote.model import FieldChange

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from j2k_dev.promote.model import Object

MANAGER = "j2k"

# What the server and its controllers write, and nobody promotes.
_NOISE = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")
_CONTROLLERS = (
    "deployment.kubernetes.io/revision",
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/selected-node",
    "kubectl.kubernetes.io/last-applied-configuration",
)
# What tells the items of a list apart, for a person: the first that all items have, each its own.
_KEYS = ("name", "mountPath", "containerPort", "port", "key", "topologyKey", "ip")
_GONE = object()


def difference(live: Object, wanted: Object) -> tuple[FieldChange, ...]:
    """Compare an object as it is with what the server would make of it (the answer of a dry run), field by field.

    What only the server writes is left out. ``manager`` names who owns a field that is not j2k's alone; ``live`` has to
    have its ``managedFields`` for that.
    """
    owners = owners_of(live)
    found = _compared("", _cleaned(live), _cleaned(wanted))
    return tuple(FieldChange(path, before, after, owners.get(path, "")) for path, before, after in found)


def covers(live: Object, wanted: Object) -> bool:
    """Tell whether all that is wanted is there: for what can't be rehearsed; the server may have added to it."""
    return _within(_cleaned(wanted), _cleaned(live))


def seen(live: Object | None) -> str:
    """Hash what a person, or a tool of theirs, may change on an object; empty where there is none."""
    if live is None:
        return ""
    told = json.dumps(_cleaned(live), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(told.encode()).hexdigest()


def owners_of(live: Object, ours: str = MANAGER) -> dict[str, str]:
    """Name the managers of fields, by the path of the field, where any other than ours has it."""
    found, cleaned = dict[str, str](), _cleaned(live)
    for entry in live.get("metadata", {}).get("managedFields", ()):
        if entry.get("manager") == ours and entry.get("operation") == "Apply":
            continue
        for path in _owned("", entry.get("fieldsV1", {}), cleaned):
            found[path] = str(entry.get("manager", ""))
    return found


# --- fields -----------------------------------------------------------------------------------------------------------


def _cleaned(each: Object) -> Object:
    """Leave out what the server writes."""
    metadata = {name: value for name, value in each.get("metadata", {}).items() if name not in _NOISE}
    annotations = {name: value for name, value in metadata.pop("annotations", {}).items() if name not in _CONTROLLERS}
    if annotations:
        metadata["annotations"] = annotations
    found = {name: value for name, value in each.items() if name != "status"}
    if each.get("kind") == "PersistentVolumeClaim":  # bound to whatever volume: not a change of the claim
        found["spec"] = {name: value for name, value in each.get("spec", {}).items() if name != "volumeName"}
    return {**found, "metadata": metadata}


def _compared(path: str, before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys((*before, *after)):
            yield from _compared(_below(path, name), before.get(name, _GONE), after.get(name, _GONE))
    elif isinstance(before, list) and isinstance(after, list) and (key := _key(before, after)):
        olds, news = _by(key, before), _by(key, after)
        for name in dict.fromkeys((*olds, *news)):
            yield from _compared(f"{path}[{name}]", olds.get(name, _GONE), news.get(name, _GONE))
    else:
        yield path, None if before is _GONE else before, None if after is _GONE else after


def _within(wanted: Any, live: Any) -> bool:
    if isinstance(wanted, dict) and isinstance(live, dict):
        return all(name in live and _within(value, live[name]) for name, value in wanted.items())
    return bool(wanted == live)


def _key(*lists: Sequence[Any]) -> str:
    """Find what tells the items of lists apart; nothing where they are compared as a whole."""
    for key in _KEYS:
        if all(isinstance(item, dict) and key in item for items in lists for item in items) and all(
            len({str(item[key]) for item in items}) == len(items) for items in lists
        ):
            return key
    return ""


def _by(key: str, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {str(item[key]): item for item in items}


def _below(path: str, name: str) -> str:
    """Write the path of a field; names with dots in them are quoted, as kubectl has them."""
    written = f'["{name}"]' if "." in name or "/" in name else f".{name}"
    return f"{path}{written}".removeprefix(".")


# --- owners -----------------------------------------------------------------------------------------------------------


def _owned(path: str, fields: Mapping[str, Any], live: Any) -> Iterator[str]:
    """Write the fields of a ``fieldsV1`` as paths; what is in a list that has no names counts for the whole list."""
    for name, below in fields.items():
        kind, _, rest = name.partition(":")
        if kind == "f":
            place, inside = _below(path, rest), live.get(rest) if isinstance(live, dict) else None
        elif kind == "k":
            place, inside = _item(path, json.loads(rest), live)
        else:  # ".", a value in a set, or an index
            yield path
            continue
        leaves = {key: value for key, value in below.items() if key != "."} if isinstance(below, dict) else {}
        if leaves:
            yield from _owned(place, leaves, inside)
        else:
            yield place


def _item(path: str, keys: Mapping[str, Any], live: Any) -> tuple[str, Any]:
    items = live if isinstance(live, list) else []
    item = next((one for one in items if isinstance(one, dict) and keys.items() <= one.items()), None)
    key = _key(items)
    return (f"{path}[{item[key]}]" if item and key else path), item
