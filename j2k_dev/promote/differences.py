"""What may differ between the objects that were verified and those that are promoted: a list, and nothing beside it.

Pure. A field is named by its path: ``spec.template.spec.containers[worker].image``; elements of lists by their name
where they have one, else by their number.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from j2k_dev.deploy.manifests import KAFKA_CONFIG
from j2k_dev.deploy.overlay import CA_CONFIG, KAFKA_HASH, SCRATCH, WORK, ca_mount
from j2k_dev.promote.model import FieldChange, Finding
from j2k_dev.promote.pods import where

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from j2k_dev.promote.model import Object

RULE = "unexpected-difference"
_MEND = "what is promoted is what was verified: change the notebook, then j2k up and the scenarios; or the target file"
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_POD = "spec.template.spec"
_WORKER = f"{_POD}.containers[worker]"
# Lists whose elements are told apart by their number, though they have names.
_NUMBERED = ("volumeMounts",)
_ABSENT = object()


@dataclass(frozen=True)
class Allowed:
    """A field that may differ, with all below it, in objects of a kind (of one name, if it is said), and why.

    ``fits`` says what is wrong with a pair of values, or nothing.
    """

    kind: str
    path: str
    why: str
    name: str = ""
    fits: Callable[[Any, Any], str] = lambda _before, _after: ""

    def covers(self, kind: str, name: str, path: str) -> bool:
        """Tell whether a field is this one, or below it."""
        rest = path.removeprefix(self.path)
        below = path == self.path or (rest != path and rest[0] in ".[")
        return below and self.kind in (kind, "*") and self.name in (name, "")


@dataclass(frozen=True)
class Addition:
    """A kind of object that only the target has (of one name, if it is said), and why."""

    kind: str
    why: str
    name: str = ""


def _same_digest(before: Any, after: Any) -> str:
    digests = [str(image).rpartition("@")[2] for image in (before, after)]
    return "" if digests[0] == digests[1] else "it is another image: the digests differ"


def _becomes(value: Any) -> Callable[[Any, Any], str]:
    return lambda _before, after: "" if after == value else f"it may only become {_shown(value)}"


_CA = "certificates that the broker's is signed by"
_OWN = "what pods have for themselves: on their node, or one volume of a class"
ALLOWED = (
    Allowed("*", "metadata.namespace", "the target's namespace"),
    Allowed("Namespace", "metadata.name", "the target's namespace"),
    Allowed("Deployment", "spec.replicas", "how many pods the target has room for"),
    Allowed("Deployment", f"{_WORKER}.image", "the registry it is pulled from; the digest stays", fits=_same_digest),
    Allowed("Deployment", f"{_WORKER}.env[KAFKA_BROKER].value", "the target's broker"),
    Allowed("Deployment", f"{_WORKER}.envFrom[1].secretRef", "the Secret with the login for the broker"),
    Allowed("Deployment", f"spec.template.metadata.annotations[{KAFKA_HASH}]", "pods start anew for another broker"),
    Allowed("Deployment", f"{_WORKER}.resources.requests", "what the target gives a stage"),
    Allowed("Deployment", f"{_WORKER}.resources.limits", "what the target gives a stage"),
    *(
        Allowed("Deployment", f"{_WORKER}.volumeMounts[3].{key}", _CA, fits=_becomes(value))
        for key, value in ca_mount().items()
    ),
    Allowed("Deployment", f"{_POD}.volumes[{CA_CONFIG}].name", _CA),
    Allowed("Deployment", f"{_POD}.volumes[{CA_CONFIG}].configMap.name", _CA, fits=_becomes(CA_CONFIG)),
    Allowed("Deployment", f"{_POD}.volumes[{WORK}].name", _OWN, fits=_becomes(None)),
    Allowed("Deployment", f"{_POD}.volumes[{WORK}].emptyDir", _OWN, fits=_becomes(None)),
    Allowed("Deployment", f"{_POD}.volumes[{SCRATCH}].emptyDir", _OWN, fits=_becomes(None)),
    Allowed("Deployment", f"{_POD}.volumes[{SCRATCH}].ephemeral", _OWN),
    Allowed("Deployment", f"{_WORKER}.volumeMounts[1].name", _OWN, fits=_becomes(SCRATCH)),
    Allowed("Deployment", f"{_WORKER}.volumeMounts[1].subPath", _OWN, fits=_becomes(WORK)),
    Allowed("Deployment", f"{_WORKER}.volumeMounts[2].subPath", _OWN, fits=_becomes(SCRATCH)),
    Allowed("Deployment", f"{_POD}.nodeSelector", "the nodes that the target has for it"),
    Allowed("Deployment", f"{_POD}.tolerations", "the nodes that the target has for it"),
    Allowed("Deployment", f"{_POD}.imagePullSecrets", "what the target's registry asks for"),
    Allowed("ServiceAccount", "metadata.annotations", "who pods are to the cloud (IRSA)"),
    Allowed("ConfigMap", "data", "the target's broker, without credentials", KAFKA_CONFIG),
    Allowed("PersistentVolumeClaim", "spec.storageClassName", "the target's storage"),
    Allowed("PersistentVolumeClaim", "spec.volumeName", "a volume that is there"),
    Allowed("PersistentVolumeClaim", "spec.resources.requests.storage", "how much the exchange holds"),
)
ADDED = (
    Addition("StorageClass", "storage that the target file describes"),
    Addition("PersistentVolume", "an access point that is there"),
    Addition("ConfigMap", _CA, CA_CONFIG),
)


def unexpected(base_objects: Iterable[Object], promoted_objects: Iterable[Object]) -> tuple[Finding, ...]:
    """Return every difference that is not on the list, between what kustomize builds of ``base`` and of the overlay."""
    promoted_objects = tuple(promoted_objects)
    base, promoted = _by_identity(base_objects), _by_identity(promoted_objects)
    found = [_told(each, "it was verified, and is not promoted") for key, each in base.items() if key not in promoted]
    for key, after in promoted.items():
        before = base.get(key)
        if before is not None:
            found += [_told(after, told) for told in _of_object(before, after)]
        elif not _may_be_added(after):
            found.append(_told(after, "it is promoted, and was not verified"))
    return (*found, *_namespaces(promoted_objects), *_twice(promoted_objects))


def differences(before: Object, after: Object) -> tuple[FieldChange, ...]:
    """Return the fields in which two objects differ, by path."""
    old, new = dict(_leaves(before, "", "")), dict(_leaves(after, "", ""))
    return tuple(
        FieldChange(path, old.get(path), new.get(path))
        for path in sorted(old.keys() | new.keys())
        if _differ(old.get(path, _ABSENT), new.get(path, _ABSENT))
    )


def table() -> str:
    """Write the list as a table in Markdown, for the documentation."""
    lines = [f"| {each.kind} {each.name}".rstrip() + f" | `{each.path}` | {each.why} |" for each in ALLOWED]
    lines += [f"| {each.kind} {each.name}".rstrip() + f" | the whole object | {each.why} |" for each in ADDED]
    return "\n".join(["| in | may differ | because it is |", "| --- | --- | --- |", *lines, ""])


def _of_object(before: Object, after: Object) -> Iterator[str]:
    kind, name = after["kind"], after["metadata"]["name"]
    for change in differences(before, after):
        allowed = next((each for each in ALLOWED if each.covers(kind, name, change.path)), None)
        if allowed is None:
            yield f"{change.path} is {_shown(change.after)}, and was verified as {_shown(change.before)}"
        elif wrong := allowed.fits(change.before, change.after):
            yield f"{change.path} is {_shown(change.after)}, and was verified as {_shown(change.before)}: {wrong}"


def _by_identity(objects: Iterable[Object]) -> dict[tuple[str, str], Object]:
    """Give objects by kind and name; there is one Namespace, whatever its name."""
    return {(each["kind"], "" if each["kind"] == "Namespace" else each["metadata"]["name"]): each for each in objects}


def _may_be_added(found: Object) -> bool:
    name = found["metadata"]["name"]
    return any(each.kind == found["kind"] and each.name in (name, "") for each in ADDED)


def _twice(promoted: Iterable[Object]) -> Iterator[Finding]:
    """Find what has the kind and name of something else: only one of them was compared."""
    seen = Counter((each["kind"], each["metadata"]["name"]) for each in promoted)
    for each in promoted:
        if seen[each["kind"], each["metadata"]["name"]] > 1:
            yield _told(each, "there are several of this name")


def _namespaces(promoted: Iterable[Object]) -> Iterator[Finding]:
    """Find what is left in another namespace than the pipeline's."""
    names = {each["metadata"]["name"] for each in promoted if each["kind"] == "Namespace"}
    for each in promoted:
        inside = each["metadata"].get("namespace")
        if names and inside is not None and inside not in names:
            yield _told(each, f"metadata.namespace is {inside}, and the pipeline's is {', '.join(names)}")


def _told(found: Object, told: str) -> Finding:
    return Finding(RULE, where(found), told, _MEND)


def _leaves(value: Any, path: str, key: str) -> Iterator[tuple[str, Any]]:
    """Give the values at the ends of a tree, by path; what is empty is an end too."""
    if isinstance(value, dict) and value:
        for name, below in value.items():
            yield from _leaves(below, _joined(path, str(name)), str(name))
    elif isinstance(value, list) and value:
        for name, below in _elements(value, key):
            yield from _leaves(below, f"{path}[{name}]", "")
    else:
        yield path, value


def _elements(items: list[Any], key: str) -> Iterable[tuple[str, Any]]:
    """Name the elements of a list by their names, where all have one of their own, else by number."""
    names = [str(item["name"]) for item in items if isinstance(item, dict) and "name" in item]
    if key not in _NUMBERED and len(set(names)) == len(items):
        return zip(names, items, strict=True)
    return ((str(number), item) for number, item in enumerate(items))


def _joined(path: str, name: str) -> str:
    if not _PLAIN.fullmatch(name):
        return f"{path}[{name}]"
    return f"{path}.{name}" if path else name


def _differ(before: Any, after: Any) -> bool:
    """Tell values apart, 1 from true too."""
    return type(before) is not type(after) or before != after


def _shown(value: Any) -> str:
    return "absent" if value is None else repr(value)
