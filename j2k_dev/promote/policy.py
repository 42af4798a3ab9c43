"""The rules that objects have to keep before they are promoted: each with its reason, and how to mend what breaks it.

Pure: a rule looks at the objects that will be applied, and at the target file. Whoever finds something refuses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from j2k_dev.deploy.storage import EBS_DRIVER, EFS_DRIVER
from j2k_dev.deploy.target_secrets import is_secret
from j2k_dev.model.errors import BadInput
from j2k_dev.promote.model import Finding
from j2k_dev.promote.pods import of_kind, pods_of, where

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from j2k_dev.deploy.target import Target
    from j2k_dev.promote.model import Object

    Objects = tuple[Object, ...]
    Told = Iterator[tuple[str, str]]

_DIGEST = re.compile(r".+@sha256:[0-9a-f]{64}")
_LOOPBACK = re.compile(
    r"(?:^|,|//)\s*(?:localhost|127(?:\.\d+){3}|0\.0\.0\.0|\[?::1\]?|host\.docker\.internal)(?=[:,/]|$)"
)
_ZONAL = (EBS_DRIVER, "kubernetes.io/aws-ebs", "pd.csi.storage.gke.io", "disk.csi.azure.com")
_ZONE = "topology.kubernetes.io/zone"
_SHARED = {"ReadWriteMany", "ReadOnlyMany"}
_NEEDS = tuple((kind, what) for kind in ("requests", "limits") for what in ("memory", "cpu"))
_PROBES = ("readinessProbe", "livenessProbe")
_HOST = ("hostNetwork", "hostPID", "hostIPC")


@dataclass(frozen=True)
class Rule:
    """Something that has to hold; ``check`` yields where it does not, with what is there."""

    id: str
    why: str
    mend: str
    check: Callable[[Objects, Target], Told]


def check(objects: Iterable[Object], target: Target) -> tuple[Finding, ...]:
    """Hold objects against all rules, and return what breaks one, rule by rule."""
    there = tuple(objects)
    return tuple(Finding(rule.id, at, told, rule.mend) for rule in RULES for at, told in rule.check(there, target))


def explain(rule: str) -> str:
    """Say why there is a rule, and how to mend what breaks it; raise BadInput naming the rules where it is none."""
    found = next((each for each in RULES if each.id == rule), None)
    if found is None:
        raise BadInput(f"there is no rule {rule}", f"there are {', '.join(each.id for each in RULES)}")
    return f"{found.id}: {found.why} {found.mend[0].upper()}{found.mend[1:]}."


def table() -> str:
    """Write the rules as a table in Markdown, for the documentation."""
    lines = [f"| `{rule.id}` | {rule.why} | {rule.mend} |" for rule in RULES]
    return "\n".join(["| rule | why | to mend |", "| --- | --- | --- |", *lines, ""])


def _claim_of_one_node(objects: Objects, _target: Target) -> Told:
    for name, users in _users(objects).items():
        claim = of_kind(objects, "PersistentVolumeClaim").get(name)
        if claim and _SHARED.isdisjoint(claim["spec"]["accessModes"]) and sum(users.values()) > 1:
            modes = ", ".join(claim["spec"]["accessModes"])
            yield where(claim), f"{modes}, for {sum(users.values())} pods ({', '.join(users)})"


def _host_path(objects: Objects, _target: Target) -> Told:
    for pods in pods_of(objects):
        for volume in pods.spec.get("volumes", []):
            if "hostPath" in volume:
                yield pods.where, f"the volume {volume['name']} is {volume['hostPath'].get('path')} of a node"
    for volume in of_kind(objects, "PersistentVolume").values():
        for kind in ("hostPath", "local"):
            if kind in volume["spec"]:
                yield where(volume), f"it is {volume['spec'][kind].get('path')} of a node"


def _tag(objects: Objects, _target: Target) -> Told:
    for pods in pods_of(objects):
        for container in pods.containers:
            if not _DIGEST.fullmatch(container["image"]):
                yield pods.where, f"the image of {container['name']} is {container['image']}"


def _foreign_image(objects: Objects, target: Target) -> Told:
    registry = target.registry.pull or target.registry.push
    for pods in pods_of(objects):
        for container in pods.containers:
            if not container["image"].startswith(f"{registry}/"):
                yield pods.where, f"the image of {container['name']} is {container['image']}, not in {registry}"


def _loopback(objects: Objects, _target: Target) -> Told:
    for at, name, value in _settings(objects):
        if "BROKER" in name.upper() and _LOOPBACK.search(value):
            yield at, f"{name} is {value}"


def _clear_secret(objects: Objects, _target: Target) -> Told:
    for found in of_kind(objects, "Secret").values():
        if keys := sorted({*found.get("data", {}), *found.get("stringData", {})}):
            yield where(found), f"it holds {', '.join(keys)}"
    for at, name, value in _settings(objects):
        if is_secret(name, value):
            yield at, f"{name} is written out"


def _no_limits(objects: Objects, _target: Target) -> Told:
    for pods in pods_of(objects):
        for container in pods.containers:
            said = container.get("resources", {})
            if missing := [f"{kind}.{what}" for kind, what in _NEEDS if not said.get(kind, {}).get(what)]:
                yield pods.where, f"{container['name']} has no {', '.join(missing)}"


def _no_probes(objects: Objects, _target: Target) -> Told:
    for pods in pods_of(objects):
        for container in pods.spec["containers"]:
            if missing := [probe for probe in _PROBES if not container.get(probe)]:
                yield pods.where, f"{container['name']} has no {', '.join(missing)}"


def _zone_pinned(objects: Objects, _target: Target) -> Told:
    users = _users(objects)
    for name, claim in of_kind(objects, "PersistentVolumeClaim").items():
        zone = _zone_of(claim, objects)
        if zone and sum(users.get(name, {}).values()) > 1:
            yield where(claim), f"{zone}, and {sum(users[name].values())} pods are spread ({', '.join(users[name])})"


def _zone_too_early(objects: Objects, _target: Target) -> Told:
    for found in of_kind(objects, "StorageClass").values():
        binding = found.get("volumeBindingMode", "Immediate")
        if found["provisioner"] in _ZONAL and binding != "WaitForFirstConsumer":
            yield where(found), f"volumeBindingMode is {binding}"


def _access_point_user(objects: Objects, _target: Target) -> Told:
    for found in of_kind(objects, "StorageClass").values():
        if found["provisioner"] == EFS_DRIVER:
            made = tuple(found.get("parameters", {}).get(key) for key in ("uid", "gid"))
            for pods in pods_of(objects):
                context = pods.spec.get("securityContext", {})
                own = tuple(str(context.get(key)) for key in ("runAsUser", "runAsGroup"))
                if pods.claims and made != own:
                    yield (
                        where(found),
                        f"uid and gid are {made[0]}, {made[1]}; those of {pods.where} {own[0]}, {own[1]}",
                    )


def _not_restricted(objects: Objects, _target: Target) -> Told:
    for pods in pods_of(objects):
        for host in _HOST:
            if pods.spec.get(host):
                yield pods.where, f"{host} is set"
        for container in pods.containers:
            if wrong := _unrestricted(pods.spec.get("securityContext", {}), container.get("securityContext", {})):
                yield pods.where, f"{container['name']}: {', '.join(wrong)}"


def _unrestricted(pod: Object, own: Object) -> list[str]:
    """Say what Pod Security *restricted* asks for and is not there, and what j2k asks for beside it."""
    both = {**pod, **own}
    holds = {
        "privileged": not own.get("privileged"),
        "runAsNonRoot is not set": both.get("runAsNonRoot") is True,
        "runAsUser is root": both.get("runAsUser") != 0,
        "seccompProfile is not RuntimeDefault": both.get("seccompProfile", {}).get("type")
        in ("RuntimeDefault", "Localhost"),
        "allowPrivilegeEscalation is not false": own.get("allowPrivilegeEscalation") is False,
        "capabilities are not all dropped": "ALL" in own.get("capabilities", {}).get("drop", []),
        "capabilities are added": not own.get("capabilities", {}).get("add"),
        "readOnlyRootFilesystem is not set": own.get("readOnlyRootFilesystem") is True,
    }
    return [wrong for wrong, well in holds.items() if not well]


def _users(objects: Objects) -> dict[str, dict[str, int]]:
    """Say for each claim who has it, and in how many pods."""
    users: dict[str, dict[str, int]] = {}
    for pods in pods_of(objects):
        for claim in pods.claims:
            users.setdefault(claim, {})[pods.where] = pods.count
    return users


def _zone_of(claim: Object, objects: Objects) -> str:
    """Say why a claim's volume is in one zone; empty where it is not, or nothing here says so."""
    volume = of_kind(objects, "PersistentVolume").get(claim["spec"].get("volumeName", ""), {})
    if _ZONE in str(volume.get("spec", {}).get("nodeAffinity", "")):
        return f"its volume {volume['metadata']['name']} is in one zone"
    found = of_kind(objects, "StorageClass").get(claim["spec"].get("storageClassName", ""), {})
    if found.get("provisioner") in _ZONAL:
        return f"volumes of {found['provisioner']} are in one zone"
    return ""


def _settings(objects: Objects) -> Iterator[tuple[str, str, str]]:
    """Give all that is told to programs in clear text: variables of containers, and what ConfigMaps hold."""
    for pods in pods_of(objects):
        for container in pods.containers:
            for variable in container.get("env", []):
                yield pods.where, variable["name"], str(variable.get("value", ""))
    for found in of_kind(objects, "ConfigMap").values():
        for name, value in found.get("data", {}).items():
            yield where(found), name, str(value)


RULES = (
    Rule(
        "claim-of-one-node",
        "A volume that one node at a time may use (ReadWriteOnce) keeps the pods of other nodes waiting for ever.",
        "use a class of volumes that many nodes write (ReadWriteMany), such as EFS",
        _claim_of_one_node,
    ),
    Rule(
        "host-path",
        "A folder of a node is another one on the next node, and gone with it.",
        "claim a volume of a storage class of the cluster",
        _host_path,
    ),
    Rule(
        "image-by-tag",
        "A tag may mean another image tomorrow; what was verified is an image by its digest.",
        "name the image by its digest: promote what j2k up built",
        _tag,
    ),
    Rule(
        "foreign-image",
        "What the cluster does not pull from the target's registry was not copied there.",
        "let registry.push and registry.pull of the target file name the registry that images are copied to",
        _foreign_image,
    ),
    Rule(
        "loopback-broker",
        "In a pod, localhost is the pod itself: no broker is there.",
        "name the broker in kafka.bootstrap as pods reach it",
        _loopback,
    ),
    Rule(
        "clear-secret",
        "Manifests are kept, shown and sent about; whoever reads them has what is in them.",
        "put it into a Secret in the namespace, and name that in the target file",
        _clear_secret,
    ),
    Rule(
        "no-limits",
        "Without requests and limits one pod takes a node's memory from all others, and quotas refuse it.",
        "name memory and cpu of the stage under resources in the target file",
        _no_limits,
    ),
    Rule(
        "no-probes",
        "Without probes a pod that hangs stays, and one that is not ready yet counts as ready.",
        "promote the base that j2k made: it has them",
        _no_probes,
    ),
    Rule(
        "zone-pinned",
        "A volume in one zone keeps all of its pods in that zone, and without them when the zone is gone.",
        "use a class whose volumes are in all zones, such as EFS; EBS is for what each pod has for itself",
        _zone_pinned,
    ),
    Rule(
        "zone-too-early",
        "A volume that is made before its pod has a place is in a zone where the pod may find none.",
        "use a class with volumeBindingMode WaitForFirstConsumer",
        _zone_too_early,
    ),
    Rule(
        "access-point-user",
        "Through an access point all files are its user's; programs that look whose their files are refuse another's.",
        "let uid and gid of the class be those of the pods, as j2k makes it",
        _access_point_user,
    ),
    Rule(
        "not-restricted",
        "What Pod Security restricted does not allow, the namespace refuses; and no stage has to write its image.",
        "promote the base that j2k made: its pods are restricted",
        _not_restricted,
    ),
)
