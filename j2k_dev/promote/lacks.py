"""What the cluster has to have before a promotion, and has not: classes, drivers, Secrets, the namespace, room."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.promote.look import CLUSTER_WIDE, Key, answers_to, identity, live_of
from j2k_dev.promote.model import Lack
from j2k_dev.promote.quota import exceeded, written
from j2k_dev.promote.rights import resource_of
from j2k_dev.worker.kafka.settings import MSK_IAM, PASSWORD, USERNAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from j2k_dev.deploy.kubectl import Kubectl
    from j2k_dev.deploy.target import Target
    from j2k_dev.promote.look import Answers
    from j2k_dev.promote.model import Object

_STATIC = "volumeName"
# Who provides drivers, as far as the name of one says.
_DRIVERS = {
    "efs.csi.aws.com": "the EFS CSI driver: eksctl create addon --name aws-efs-csi-driver --cluster CLUSTER",
    "ebs.csi.aws.com": "the EBS CSI driver: eksctl create addon --name aws-ebs-csi-driver --cluster CLUSTER",
}


def lacks_of(kubectl: Kubectl, objects: Sequence[Object], target: Target) -> tuple[Lack, ...]:
    """Ask the cluster for what objects refer to and what they need room in.

    What this user may not look at is taken to be there: whatever is not shows when pods start.
    """
    found = _found(kubectl, objects)
    return (
        *_namespace(found, objects, target),
        *_storage(found, objects),
        *_secrets(found, objects, target),
        *_quotas(found, kubectl, objects),
    )


@dataclass(frozen=True)
class _Found:
    """What is on the cluster: what objects name, and all drivers and quotas, None where these may not be listed."""

    kubectl: Kubectl
    namespace: str
    named: Answers
    drivers: dict[str, Object] | None
    quotas: dict[str, Object] | None

    def get(self, kind: str, name: str) -> Object | None:
        """Return an object that is there."""
        return self.named.objects.get(self._key(kind, name))

    def lacks(self, kind: str, name: str) -> bool:
        """Tell whether it is known that an object is not there."""
        return self.get(kind, name) is None and self._key(kind, name) not in self.named.refused

    def _key(self, kind: str, name: str) -> Key:
        return Key(kind, "" if kind in CLUSTER_WIDE else self.namespace, name)


def _found(kubectl: Kubectl, objects: Sequence[Object]) -> _Found:
    """Ask for everything in two calls."""
    namespace = next(each["metadata"]["namespace"] for each in objects if each["kind"] == "Deployment")
    keys = [
        Key("Namespace", "", namespace),
        *(Key("StorageClass", "", name) for name in _wanted_classes(objects)),
        *(Key("Secret", namespace, name) for name in _wanted_secrets(objects)),
    ]
    named = answers_to(kubectl, [identity(key) for key in keys])
    return _Found(kubectl, namespace, named, *_listed(kubectl, namespace, "CSIDriver", "ResourceQuota"))


def _listed(kubectl: Kubectl, namespace: str, *kinds: str) -> tuple[dict[str, Object] | None, ...]:
    """List kinds of objects together, or one after the other where one of them may not be listed."""
    resources = ",".join(map(resource_of, kinds))
    try:
        told = kubectl.call("get", resources, "--namespace", namespace, "--output", "json")
    except MachineryFailed as error:
        if "(Forbidden)" not in error.detail:
            raise
        return tuple(_listed(kubectl, namespace, kind)[0] for kind in kinds) if len(kinds) > 1 else (None,)
    items: list[Object] = json.loads(told)["items"]
    return tuple({each["metadata"]["name"]: each for each in items if each["kind"] == kind} for kind in kinds)


# --- the namespace ----------------------------------------------------------------------------------------------------


def _namespace(found: _Found, objects: Iterable[Object], target: Target) -> Iterator[Lack]:
    there = found.get("Namespace", found.namespace)
    if there is None:
        return  # it is made, or the rights say that it can't be
    pipeline = next(each["metadata"]["labels"]["j2k.dev/pipeline"] for each in objects if each["kind"] == "Deployment")
    labels = there["metadata"].get("labels", {})
    mark = f"app.kubernetes.io/managed-by=j2k j2k.dev/pipeline={pipeline}"
    label = f"kubectl --context {target.context} label namespace {found.namespace} {mark}"
    if there.get("status", {}).get("phase") == "Terminating":
        yield Lack(f"the namespace {found.namespace} is being deleted", "wait until it is gone")
    elif labels.get("app.kubernetes.io/managed-by") != "j2k":
        told = f"the namespace {found.namespace} is not labelled as j2k's"
        yield Lack(told, f"if it is meant for this pipeline: {label}; else name another one in the target file")
    elif labels.get("j2k.dev/pipeline", pipeline) != pipeline:
        told = f"the namespace {found.namespace} is the pipeline {labels['j2k.dev/pipeline']}'s"
        yield Lack(told, "a pipeline has a namespace of its own: name another one in the target file")


# --- storage ----------------------------------------------------------------------------------------------------------


def _storage(found: _Found, objects: Sequence[Object]) -> Iterator[Lack]:
    made = {each["metadata"]["name"]: each for each in objects if each["kind"] == "StorageClass"}
    lacking = [name for name in _wanted_classes(objects) if name not in made and found.lacks("StorageClass", name)]
    (known,) = _listed(found.kubectl, found.namespace, "StorageClass") if lacking else ({},)
    for name in lacking:
        listed = ", ".join(sorted(known or {})) or "none"
        yield Lack(f"there is no StorageClass {name} (there are: {listed})", "name one that is there, or make it")
    there = (found.get("StorageClass", name) for name in _wanted_classes(objects))
    yield from _drivers(found, objects, [*made.values(), *(each for each in there if each)])


def _drivers(found: _Found, objects: Iterable[Object], classes: Iterable[Object]) -> Iterator[Lack]:
    """Look for the drivers of classes and volumes; provisioners that are no CSI driver have none to look for."""
    volumes = (each["spec"].get("csi", {}).get("driver", "") for each in objects if each["kind"] == "PersistentVolume")
    wanted = sorted(name for name in {*(each.get("provisioner", "") for each in classes), *volumes} if ".csi." in name)
    for name in wanted:
        if found.drivers is not None and name not in found.drivers:
            yield Lack(f"the CSI driver {name} is not installed", f"install {_DRIVERS.get(name, 'it')}")


def _wanted_classes(objects: Iterable[Object]) -> list[str]:
    return sorted({spec["storageClassName"] for spec in _claims(objects) if spec.get("storageClassName")})


def _claims(objects: Iterable[Object]) -> Iterator[Object]:
    for each in objects:
        if each["kind"] == "PersistentVolumeClaim" and not each["spec"].get(_STATIC):
            yield each["spec"]
        for volume in _pod(each).get("volumes", ()):
            if "ephemeral" in volume:
                yield volume["ephemeral"]["volumeClaimTemplate"]["spec"]


def _pod(each: Object) -> Object:
    """Return the specification of the pods that an object makes, or is."""
    spec: Object = each.get("spec", {})
    return spec if each["kind"] == "Pod" else spec.get("template", {}).get("spec", {})


# --- Secrets ----------------------------------------------------------------------------------------------------------


def _secrets(found: _Found, objects: Sequence[Object], target: Target) -> Iterator[Lack]:
    for name in _wanted_secrets(objects):
        secret = found.get("Secret", name)
        keys = _KEYS if name == target.kafka.secret and target.kafka.mechanism != MSK_IAM else ()
        lacking = [key for key in keys if key not in (secret or {}).get("data", {})]
        if found.lacks("Secret", name):
            yield Lack(f"there is no Secret {name} in {found.namespace}", _secret_way_out(name, found, target))
        elif secret is not None and lacking:
            told = f"the Secret {name} in {found.namespace} has no {' and no '.join(lacking)}"
            yield Lack(told, _secret_way_out(name, found, target))


def _wanted_secrets(objects: Iterable[Object]) -> list[str]:
    return sorted({name for each in objects for name in _named_secrets(_pod(each))})


_KEYS = (USERNAME, PASSWORD)


def _named_secrets(pod: Object) -> Iterator[str]:
    """Name the Secrets that pods can't start without."""
    yield from (each["name"] for each in pod.get("imagePullSecrets", ()))
    for container in pod.get("containers", ()):
        sources = [each.get("secretRef", {}) for each in container.get("envFrom", ())]
        sources += [each.get("valueFrom", {}).get("secretKeyRef", {}) for each in container.get("env", ())]
        yield from (each["name"] for each in sources if each and not each.get("optional"))
    volumes = (each.get("secret", {}) for each in pod.get("volumes", ()))
    yield from (each["secretName"] for each in volumes if each and not each.get("optional"))


def _secret_way_out(name: str, found: _Found, target: Target) -> str:
    where = f"kubectl --context {target.context} --namespace {found.namespace} create secret"
    if name == target.image_pull_secret:
        return f"{where} docker-registry {name} --docker-server=SERVER --docker-username=USER --docker-password=…"
    given = " ".join(f"--from-literal={key}=…" for key in _KEYS) if name == target.kafka.secret else "…"
    return f"{where} generic {name} {given}"


# --- room -------------------------------------------------------------------------------------------------------------


def _quotas(found: _Found, kubectl: Kubectl, objects: Sequence[Object]) -> Iterator[Lack]:
    if not found.quotas:
        return
    live = live_of(kubectl, [each for each in objects if each["metadata"].get("namespace") == found.namespace])
    for name, quota in sorted(found.quotas.items()):
        status = quota.get("status", {})
        hard = status.get("hard", quota["spec"].get("hard", {}))
        for resource, limit, would in exceeded(hard, status.get("used", {}), live, objects):
            told = f"the quota {name} allows {resource} {limit}, and it would be {written(would, limit)}"
            yield Lack(told, "ask for more, or lower replicas or resources in the target file")
