"""What a target file says, as kustomize has it: components for storage, and patches for everything else.

Pure. Patches are RFC 6902 with a test before each replacement by place: on a base that is made otherwise they fail
instead of changing something else.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from j2k_dev.deploy import manifests, storage
from j2k_dev.deploy.target import CA_MOUNT, CA_NAME
from j2k_dev.deploy.tree import layer, to_yaml
from j2k_dev.model.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from j2k_dev.deploy.manifests import Object
    from j2k_dev.deploy.target import Kafka, StageResources, Target

EFS = "overlays/efs"
EBS = "overlays/ebs"
CA_CONFIG = "kafka-ca"
# On pods: what they are told of the broker. They read it when they start, so they start anew when it changes.
KAFKA_HASH = "j2k.dev/kafka"
# Volumes of a pod that are its own: on a class they become one, which holds a folder for each.
WORK, SCRATCH = "work", "scratch"
POD = "/spec/template/spec"
CONTAINER = f"{POD}/containers/0"

_COMPONENT = {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component"}
_HASH_LETTERS = 16


@dataclass(frozen=True)
class Ground:
    """What overlays stand on: the namespace, the labels of what is made beside, and the pods, as the base has them."""

    namespace: str
    labels: dict[str, str]
    pod: Object

    @property
    def user(self) -> int:
        """The user that the pods are."""
        return int(self.pod["securityContext"]["runAsUser"])

    @property
    def group(self) -> int:
        """The group that the pods are of."""
        return int(self.pod["securityContext"]["runAsGroup"])


def components(target: Target, ground: Ground) -> dict[str, dict[str, str]]:
    """Write the components that a target asks for, by folder: EFS for the exchange, EBS for what is the pods' own."""
    files: dict[str, dict[str, str]] = {}
    exchange, scratch = exchange_object(target, ground), _ebs_class(target, ground)
    if exchange:
        name = "volume.yaml" if exchange["kind"] == "PersistentVolume" else "class.yaml"
        patches = [patch("PersistentVolumeClaim", [_set(f"/spec/{key}", value)]) for key, value in _bound(exchange)]
        files[EFS] = layer(EFS, {name: (exchange,)}, {**_COMPONENT, "resources": [name], "patches": patches})
    if scratch:
        patches = [patch("Deployment", private_volume(target, ground))]
        kustomization = {**_COMPONENT, "resources": ["class.yaml"], "patches": patches}
        files[EBS] = layer(EBS, {"class.yaml": (scratch,)}, kustomization)
    return files


def exchange_object(target: Target, ground: Ground) -> Object | None:
    """Make what the exchange's claim binds to on EFS: a class, or a volume; None where the class is there."""
    efs, place = target.storage.efs, (ground.namespace, ground.labels)
    if efs is None:
        return None
    if efs.access_point:
        return storage.efs_volume(*place, efs, target.storage.size)
    return storage.efs_class(*place, efs, ground.user, ground.group)


def claim_fields(target: Target, ground: Ground, volume: str = "") -> dict[str, Any]:
    """Give what of the exchange's claim the target says; ``volume`` is one that was kept for it."""
    exchange = exchange_object(target, ground)
    bound = dict(_bound(exchange)) if exchange else {"storageClassName": target.storage.class_}
    kept = {"volumeName": volume} if volume else {}
    return {"resources": {"requests": {"storage": target.storage.size}}, **bound, **kept}


def private_volume(target: Target, ground: Ground) -> list[Object]:
    """Give the steps that turn the pods' own volumes into one of a class, which comes and goes with each pod.

    One, since a node takes few volumes of EBS. A folder of it for each mount, since ext4 has a ``lost+found`` of its
    own in it, which would count as a file of the notebook's.
    """
    if target.scratch is None:
        return []
    made = _ebs_class(target, ground)
    name = str(made["metadata"]["name"]) if made else target.scratch.class_
    volumes, mounts = ground.pod["volumes"], ground.pod["containers"][0]["volumeMounts"]
    work, scratch = (f"{POD}/volumes/{_place(volumes, each)}" for each in (WORK, SCRATCH))
    steps = [_test(f"{work}/name", WORK), _test(f"{scratch}/name", SCRATCH)]
    steps += [_replace(scratch, storage.private_volume(SCRATCH, name, target.scratch.size))]
    for each in (WORK, SCRATCH):
        mount = f"{CONTAINER}/volumeMounts/{_place(mounts, each)}"
        steps += [_test(f"{mount}/name", each), _add(f"{mount}/subPath", each)]
        steps += [_replace(f"{mount}/name", SCRATCH)] if each != SCRATCH else []
    return [*steps, {"op": "remove", "path": work}]


def placement(target: Target) -> dict[str, Any]:
    """Give what of a pod's specification the target says."""
    values = {
        "nodeSelector": dict(target.node_selector),
        "tolerations": [toleration.plain for toleration in target.tolerations],
        "imagePullSecrets": [{"name": target.image_pull_secret}] if target.image_pull_secret else [],
    }
    return {name: value for name, value in values.items() if value}


def credentials(target: Target) -> Object:
    """Give where containers read the login for the broker from."""
    if target.kafka.secret:
        return {"secretRef": {"name": target.kafka.secret}}
    return {"secretRef": {"name": manifests.KAFKA_CREDENTIALS, "optional": True}}


def ca_config(kafka: Kafka, ground: Ground) -> Object:
    """Make the ConfigMap with the certificates that the broker's is to be signed by."""
    metadata = {"name": CA_CONFIG, "namespace": ground.namespace, "labels": dict(ground.labels)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {CA_NAME: kafka.ca}}


def ca_volume() -> Object:
    """Make the volume of pods with these certificates."""
    return {"name": CA_CONFIG, "configMap": {"name": CA_CONFIG}}


def ca_mount() -> Object:
    """Say where containers have it."""
    return {"name": CA_CONFIG, "mountPath": CA_MOUNT, "readOnly": True}


def pod_steps(target: Target, ground: Ground) -> list[Object]:
    """Give the steps that make the base's Deployments the target's, storage of components aside."""
    steps = [_set(f"{POD}/{name}", value) for name, value in placement(target).items()]
    if target.kafka.secret:
        sources = ground.pod["containers"][0]["envFrom"]
        number = next(number for number, source in enumerate(sources) if "secretRef" in source)
        place = f"{CONTAINER}/envFrom/{number}"
        steps += [_test(f"{place}/secretRef/name", manifests.KAFKA_CREDENTIALS), _set(place, credentials(target))]
    if target.kafka.ca:
        steps += [_add(f"{POD}/volumes/-", ca_volume()), _add(f"{CONTAINER}/volumeMounts/-", ca_mount())]
    if target.scratch and not target.scratch.ebs:
        steps += private_volume(target, ground)
    return steps


def kafka_steps(kafka: Kafka, ground: Ground) -> list[Object]:
    """Give the steps that tell the base's Deployments of another broker."""
    place = f"{CONTAINER}/env/{_place(ground.pod['containers'][0]['env'], 'KAFKA_BROKER')}"
    told = json.dumps([kafka.environment, kafka.ca], sort_keys=True)
    digest = hashlib.sha256(told.encode()).hexdigest()[:_HASH_LETTERS]
    return [
        _test(f"{place}/name", "KAFKA_BROKER"),
        _replace(f"{place}/value", kafka.bootstrap),
        _add("/spec/template/metadata/annotations", {KAFKA_HASH: digest}),
    ]


def resource_patches(target: Target, deployments: Mapping[str, str]) -> list[Object]:
    """Patch the resources of the stages that the target names; ``deployments`` are their Deployments by stage.

    Raises BadInput where there is no such stage.
    """
    if unknown := [stage for stage in target.resources if stage not in deployments]:
        told = f"resources of the target: there is no stage {', '.join(unknown)}"
        raise BadInput(told, f"there are {', '.join(deployments)}")
    return [patch("Deployment", _needs(needs), deployments[stage]) for stage, needs in target.resources.items()]


def patch(kind: str, steps: list[Object], name: str = "") -> Object:
    """Patch the objects of a kind, or one of them, in text that people can read."""
    named = {"name": name} if name else {}
    return {"target": {"kind": kind, **named}, "patch": to_yaml([steps])}


def _ebs_class(target: Target, ground: Ground) -> Object | None:
    ebs = target.scratch.ebs if target.scratch else None
    return storage.ebs_class(ground.namespace, ground.labels, ebs) if ebs else None


def _bound(exchange: Object) -> list[tuple[str, str]]:
    """Say which fields of the claim bind it to what was made for it."""
    if exchange["kind"] == "PersistentVolume":
        return [("volumeName", exchange["metadata"]["name"])]
    return [("storageClassName", exchange["metadata"]["name"])]


def _needs(needs: StageResources) -> list[Object]:
    places = [f"{CONTAINER}/resources/{kind}" for kind in ("requests", "limits")]
    return [_replace(f"{place}/{key}", value) for key, value in needs.plain.items() for place in places]


def _place(items: list[Object], name: str) -> int:
    return next(number for number, each in enumerate(items) if each["name"] == name)


def step(op: str, path: str, value: Any) -> Object:
    """Make a step of a patch (RFC 6902)."""
    return {"op": op, "path": path, "value": value}


def _set(path: str, value: Any) -> Object:
    """Set a field, whether it is there or not; an element of a list is replaced."""
    return step("replace" if path.rpartition("/")[2].isdigit() else "add", path, value)


def _replace(path: str, value: Any) -> Object:
    return step("replace", path, value)


def _add(path: str, value: Any) -> Object:
    return step("add", path, value)


def _test(path: str, value: Any) -> Object:
    return step("test", path, value)
