"""What the cluster has to have before a promotion, and has not: classes, drivers, Secrets, the namespace, room."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.promote.look import live_of
from j2k_dev.promote.model import Lack
from j2k_dev.promote.quota import exceeded, written
from j2k_dev.worker.kafka.settings import PASSWORD, USERNAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from j2k_dev.deploy.kubectl import Kubectl
    from j2k_dev.deploy.target import Target
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
    namespace = next(each["metadata"]["namespace"] for each in objects if each["kind"] == "Deployment")
    found = _Found(kubectl, namespace)
    return (
        *_namespace(found, objects, target),
        *_storage(found, objects),
        *_secrets(found, objects, target),
        *_quotas(found, kubectl, objects),
    )


class _Found:
    """What is on the cluster, by kind; None for a kind that may not be looked at. Asked for once."""

    def __init__(self, kubectl: Kubectl, namespace: str) -> None:
        self.namespace = namespace
        self._kubectl = kubectl

    def get(self, kind: str, *names: str) -> dict[str, Object] | None:
        """Return those of a kind that there are, all or the named ones."""
        try:
            told = self._kubectl.call(
                "get", kind, *names, "--namespace", self.namespace, "--ignore-not-found", "--output", "json"
            )
        except MachineryFailed as error:
            if "(Forbidden)" not in error.detail:
                raise
            return None
        answer = json.loads(told or '{"items": []}')
        items: list[Object] = answer.get("items", [answer])
        return {each["metadata"]["name"]: each for each in items}


# --- the namespace ----------------------------------------------------------------------------------------------------


def _namespace(found: _Found, objects: Iterable[Object], target: Target) -> Iterator[Lack]:
    there = (found.get("namespaces", found.namespace) or {}).get(found.namespace)
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
    wanted = sorted({spec["storageClassName"] for spec in _claims(objects) if spec.get("storageClassName")})
    there = (found.get("storageclasses", *wanted) if wanted else {}) or {}
    known = found.get("storageclasses") if any(name not in there and name not in made for name in wanted) else {}
    for name in wanted:
        if known is not None and name not in there and name not in made:
            listed = ", ".join(sorted(known)) or "none"
            yield Lack(f"there is no StorageClass {name} (there are: {listed})", "name one that is there, or make it")
    yield from _drivers(found, objects, [*made.values(), *there.values()])


def _drivers(found: _Found, objects: Iterable[Object], classes: Iterable[Object]) -> Iterator[Lack]:
    """Look for the drivers of classes and volumes; provisioners that are no CSI driver have none to look for."""
    volumes = (each["spec"].get("csi", {}).get("driver", "") for each in objects if each["kind"] == "PersistentVolume")
    wanted = sorted(name for name in {*(each.get("provisioner", "") for each in classes), *volumes} if ".csi." in name)
    there = found.get("csidrivers", *wanted) if wanted else {}
    for name in wanted:
        if there is not None and name not in there:
            yield Lack(f"the CSI driver {name} is not installed", f"install {_DRIVERS.get(name, 'it')}")


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
    wanted = sorted({name for each in objects for name in _named_secrets(_pod(each))})
    there = found.get("secrets", *wanted) if wanted else {}
    for name in wanted if there is not None else ():
        secret = (there or {}).get(name)
        keys = _KEYS if name == target.kafka.secret and target.kafka.mechanism != "AWS_MSK_IAM" else ()
        lacking = [key for key in keys if key not in (secret or {}).get("data", {})]
        if secret is None:
            yield Lack(f"there is no Secret {name} in {found.namespace}", _secret_way_out(name, found, target))
        elif lacking:
            told = f"the Secret {name} in {found.namespace} has no {' and no '.join(lacking)}"
            yield Lack(told, _secret_way_out(name, found, target))


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
    quotas = found.get("resourcequotas")
    if not quotas:
        return
    live = live_of(kubectl, [each for each in objects if each["metadata"].get("namespace") == found.namespace])
    for name, quota in sorted(quotas.items()):
        status = quota.get("status", {})
        hard = status.get("hard", quota["spec"].get("hard", {}))
        for resource, limit, would in exceeded(hard, status.get("used", {}), live, objects):
            told = f"the quota {name} allows {resource} {limit}, and it would be {written(would, limit)}"
            yield Lack(told, "ask for more, or lower replicas or resources in the target file")
