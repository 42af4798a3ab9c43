"""What applying would do to a cluster, asked of the cluster itself: a rehearsal on the server, which changes nothing.

Objects are asked for together, in one call; one by one only where the server says no to one of them.
"""

from __future__ import annotations

import hashlib
import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from j2k_dev.deploy.kubectl import FIELD_MANAGER
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.promote.diff import covers, difference, seen
from j2k_dev.promote.model import Change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from j2k_dev.deploy.kubectl import Kubectl
    from j2k_dev.promote.model import Object, PromotionPlan

CLUSTER_WIDE = ("Namespace", "PersistentVolume", "StorageClass", "CSIDriver")
# What a later release leaves where it is: data, and what others may use.
KEPT = ("Namespace", "PersistentVolume", "PersistentVolumeClaim", "StorageClass")

_AT_ONCE = 4
_SECONDS = 60.0
# What the server says to an object, and not that it is away.
_SAID_NO = re.compile(
    r"\((Forbidden|Invalid|BadRequest|NotFound|Conflict|AlreadyExists)\)|is invalid|exceeded quota|denied the request"
)
_SPEAKING = re.compile(r"^(?:Error from server |error:|The \w+ .* is invalid)", re.MULTILINE)
_FORBIDDEN = "(Forbidden)"
_NO_NAMESPACE = "it can't be rehearsed before the namespace is there"

_VERSIONS = {
    "Deployment": "apps/v1",
    "PodDisruptionBudget": "policy/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "StorageClass": "storage.k8s.io/v1",
    "CSIDriver": "storage.k8s.io/v1",
}


class Key(NamedTuple):
    """What tells objects apart; ``namespace`` is empty for what belongs to the whole cluster."""

    kind: str
    namespace: str
    name: str


@dataclass(frozen=True)
class Answers:
    """What the server said about objects: as they are or would be, or why not."""

    objects: dict[Key, Object] = field(default_factory=dict)
    refused: dict[Key, str] = field(default_factory=dict)


def key_of(each: Object) -> Key:
    """Tell which object this is."""
    metadata = each["metadata"]
    namespace = "" if each["kind"] in CLUSTER_WIDE else metadata.get("namespace", "")
    return Key(each["kind"], namespace, metadata["name"])


def identity(key: Key, objects: Iterable[Object] = ()) -> Object:
    """Write what is enough to find an object; ``objects`` say the version of its kind, if it is not a usual one."""
    version = next((each["apiVersion"] for each in objects if each["kind"] == key.kind), _VERSIONS.get(key.kind, "v1"))
    place = {"namespace": key.namespace} if key.namespace else {}
    return {"apiVersion": version, "kind": key.kind, "metadata": {"name": key.name, **place}}


def changes_of(kubectl: Kubectl, objects: Sequence[Object], earlier: Sequence[Object] = ()) -> tuple[Change, ...]:
    """Rehearse applying objects, and say for each what becomes of it; then what is deleted of an earlier release.

    ``objects`` have their namespace. Raises MachineryFailed where the cluster does not answer.
    """
    gone = _gone(objects, earlier)
    spaces = _namespaces(objects)
    live = answers_to(kubectl, [*objects, *gone, *spaces])
    missing = {key.name for key in map(key_of, spaces) if key not in live.objects and key not in live.refused}
    rehearsed = _rehearsed(kubectl, [each for each in objects if key_of(each).namespace not in missing])
    changes = tuple(_change(each, live, rehearsed) for each in objects)
    return (*changes, *(_deleted(each, live) for each in gone if _is_same_owner(each, live)))


def moved(kubectl: Kubectl, plan: PromotionPlan) -> tuple[str, ...]:
    """Say which objects are not as they were when the plan was made; nothing where all are."""
    changed = [Key(each.kind, each.namespace, each.name) for each in plan.changes]
    live = answers_to(kubectl, [identity(key, plan.objects) for key in changed])
    return tuple(
        f"{each.kind} {each.name} {_moved(each.seen, live.objects.get(key))}"
        for key, each in zip(changed, plan.changes, strict=True)
        if key not in live.refused and seen(live.objects.get(key)) != each.seen
    )


def live_of(kubectl: Kubectl, objects: Sequence[Object]) -> tuple[Object, ...]:
    """Return those of the objects that are on the cluster, as they are there, as far as this user may look."""
    return tuple(answers_to(kubectl, objects).objects.values())


def answers_to(kubectl: Kubectl, objects: Iterable[Object]) -> Answers:
    """Read objects as they are now, all in one call, with who manages their fields; what there is not is left out."""
    wanted = {key_of(each): identity(key_of(each), [each]) for each in objects}
    command = ("get", "--filename", "-", "--ignore-not-found", "--show-managed-fields", "--output", "json")
    return _asked(list(wanted.values()), lambda text: kubectl.call(*command, stdin=text, timeout=_SECONDS))


def cluster_id(kubectl: Kubectl) -> str:
    """Tell clusters apart by where their API server is and who vouches for it; nothing is asked of the cluster."""
    told = kubectl.call("config", "view", "--minify", "--flatten", "--raw", "--output", "json")
    cluster = json.loads(told)["clusters"][0]["cluster"]
    known = [cluster.get("server", ""), cluster.get("certificate-authority-data", ""), cluster.get("tls-server-name")]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:32]


# --- what becomes of one object ---------------------------------------------------------------------------------------


def _change(each: Object, live: Answers, rehearsed: Answers) -> Change:
    key = key_of(each)
    place = (key.kind, key.name, key.namespace)
    there, wanted = live.objects.get(key), rehearsed.objects.get(key)
    if told := rehearsed.refused.get(key):
        if _FORBIDDEN in told and there is not None and covers(there, each):  # made by an administrator
            return Change(*place, "same", seen=seen(there))
        return Change(*place, "refused", seen=seen(there), told=told)
    if wanted is None:
        return Change(*place, "create", told=_NO_NAMESPACE)
    if there is None:
        return Change(*place, "create", told=live.refused.get(key, ""))
    fields = difference(there, wanted)
    foreign = any(each.manager for each in fields)
    return Change(*place, "conflict" if foreign else "change" if fields else "same", fields, seen(there))


def _deleted(each: Object, live: Answers) -> Change:
    key = key_of(each)
    return Change(key.kind, key.name, key.namespace, "delete", seen=seen(live.objects[key]))


def _gone(objects: Iterable[Object], earlier: Iterable[Object]) -> list[Object]:
    """List what an earlier release owned, and this one does not have."""
    wanted = {key_of(each) for each in objects}
    return [each for each in earlier if key_of(each) not in wanted and each["kind"] not in KEPT]


def _is_same_owner(each: Object, live: Answers) -> bool:
    """Tell whether what has this name is still the pipeline's: somebody may have made another since."""
    there = live.objects.get(key_of(each))
    return there is not None and _owner(there) == _owner(each)


def _owner(each: Object) -> tuple[Any, Any]:
    labels = each["metadata"].get("labels", {})
    return labels.get("app.kubernetes.io/managed-by"), labels.get("j2k.dev/pipeline")


def _moved(before: str, live: Object | None) -> str:
    if not before:
        return "is there now"
    return "is gone" if live is None else "was changed"


# --- asking -----------------------------------------------------------------------------------------------------------


def _namespaces(objects: Iterable[Object]) -> list[Object]:
    """Name the namespaces that objects are in."""
    names = dict.fromkeys(key_of(each).namespace for each in objects)
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names if name]


def _rehearsed(kubectl: Kubectl, objects: Sequence[Object]) -> Answers:
    """Have the server say what it would make of objects; fields of others are taken, to see what would become of them.

    Nothing of it is kept.
    """
    command = (
        "apply", "--server-side", "--dry-run=server", "--force-conflicts", "--field-manager", FIELD_MANAGER,
        "--filename", "-", "--output", "json",
    )  # fmt: skip
    return _asked(objects, lambda text: kubectl.call(*command, stdin=text, timeout=_SECONDS))


def _asked(objects: Sequence[Object], ask: Callable[[str], str]) -> Answers:
    """Ask for all at once and, where the server says no to one of them, for fewer.

    What belongs to the whole cluster first, which few may change; then for each by itself.
    """
    if not objects:
        return Answers()
    try:
        return Answers(_by_key(ask(_list(objects))))
    except MachineryFailed as error:
        if not _SAID_NO.search(error.detail):
            raise
    wide = [each for each in objects if each["kind"] in CLUSTER_WIDE]
    if wide and len(wide) < len(objects):
        return _joined((_asked(wide, ask), _asked([each for each in objects if each not in wide], ask)))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return _joined(pool.map(lambda each: _one(each, ask), objects))


def _joined(answers: Iterable[Answers]) -> Answers:
    whole = Answers()
    for each in answers:
        whole.objects.update(each.objects)
        whole.refused.update(each.refused)
    return whole


def _one(each: Object, ask: Callable[[str], str]) -> Answers:
    try:
        return Answers(_by_key(ask(_list([each]))))
    except MachineryFailed as error:
        if not _SAID_NO.search(error.detail):
            raise
        return Answers(refused={key_of(each): said(error)})


def said(error: MachineryFailed) -> str:
    """Return what the server said, without what kubectl says around it."""
    found = _SPEAKING.search(error.detail)
    told = error.detail[found.start() :] if found else error.detail.strip().rpartition("\n")[2]
    return " ".join(told.removeprefix("Error from server ").split()) or error.message


def _list(objects: Sequence[Object]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})


def _by_key(told: str) -> dict[Key, Object]:
    found = json.loads(told or '{"items": []}')
    items: list[Object] = found["items"] if "items" in found and found.get("kind", "List") == "List" else [found]
    return {key_of(each): each for each in items}
