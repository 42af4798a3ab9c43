"""The manifests for a target: the same base as everywhere, an overlay for what the target file says, and the courier.

Pure: the same pipeline and target, the same files.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from j2k_dev.deploy import manifests
from j2k_dev.deploy.courier_pod import SERVE
from j2k_dev.deploy.pods import dns_label
from j2k_dev.deploy.tree import BASE, base_layer, layer, to_yaml

if TYPE_CHECKING:
    from j2k_dev.deploy.manifests import Object
    from j2k_dev.deploy.pods import Deployed
    from j2k_dev.deploy.target import Target

# What is applied before everything else, so that inputs and topics are there when pods start.
FIRST = "first.yaml"
COURIER = "courier.yaml"
_FIRST = ("namespace.yaml", "account.yaml", "network.yaml", "kafka.yaml")


def overlay_of(target: Target) -> str:
    """Name the folder of a target's overlay."""
    return f"overlays/{dns_label(target.context)}"


def target_tree(deployed: Deployed, target: Target, courier: Object, volume: str = "") -> dict[str, str]:
    """Write base and overlay as texts by file name; ``volume`` is one that was kept for this claim."""
    overlay = overlay_of(target)
    counts = [{"name": pod.name, "count": deployed.replicas} for pod in deployed.pods]
    patches = [_claim_patch(target, volume), *_deployment_patches(target)]
    beside = {FIRST: to_yaml(_first(deployed, target, volume)), COURIER: to_yaml([courier])}
    return {
        **base_layer(deployed),
        **layer(overlay, {}, {"resources": [f"../../{BASE}"], "replicas": counts, "patches": patches}),
        **{f"{overlay}/{name}": text for name, text in beside.items()},
    }


def courier_pod(deployed: Deployed, target: Target, image: str, entrypoint: tuple[str, ...]) -> Object:
    """Make the courier's pod: the pipeline's environment, on the exchange, for as long as somebody asks something."""
    stage = manifests.deployment(deployed, deployed.pods[0])["spec"]["template"]["spec"]
    worker = stage["containers"][0]
    container = {
        "name": "courier",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["j2k_dev.worker.courier", "wait", manifests.EXCHANGE_MOUNT],
        "envFrom": [{"configMapRef": {"name": manifests.KAFKA_CONFIG}}, _credentials(target)],
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}},
        "securityContext": worker["securityContext"],
        "volumeMounts": [mount for mount in worker["volumeMounts"] if mount["name"] != "work"],
    }
    spec = {
        **{name: value for name, value in stage.items() if name != "topologySpreadConstraints"},
        **_placement(target),
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 2,
        "containers": [container],
        "volumes": [volume for volume in stage["volumes"] if volume["name"] != "work"],
    }
    labels = {
        "app.kubernetes.io/part-of": deployed.pipeline,
        "app.kubernetes.io/managed-by": "j2k",
        manifests.COURIER_LABEL: deployed.pipeline,
    }
    name = f"courier-{image.rpartition(':')[2][:12]}"
    metadata = {"name": name, "namespace": deployed.namespace, "labels": labels}
    # What it is spoken to by: the image's own entrypoint is what starts its interpreter.
    serve = [*entrypoint, "j2k_dev.worker.courier", "serve", manifests.EXCHANGE_MOUNT]
    metadata["annotations"] = {SERVE: json.dumps(serve)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def claim_of(deployed: Deployed, target: Target, volume: str = "") -> Object:
    """Make the claim on the exchange as the target has it."""
    claim = manifests.exchange_claim(deployed)
    return {**claim, "spec": {**claim["spec"], **_claim_fields(target, volume)}}


def _first(deployed: Deployed, target: Target, volume: str) -> list[Object]:
    base = manifests.base_objects(deployed)
    return [*(each for name in _FIRST for each in base[name]), claim_of(deployed, target, volume)]


def _claim_fields(target: Target, volume: str) -> dict[str, Any]:
    bound = {"volumeName": volume} if volume else {}
    return {
        "storageClassName": target.storage.class_,
        "resources": {"requests": {"storage": target.storage.size}},
        **bound,
    }


def _claim_patch(target: Target, volume: str) -> Object:
    fields = _claim_fields(target, volume)
    return _patch("PersistentVolumeClaim", {f"/spec/{name}": value for name, value in fields.items()})


def _deployment_patches(target: Target) -> list[Object]:
    pod = "/spec/template/spec"
    values = {f"{pod}/{name}": value for name, value in _placement(target).items()}
    if target.kafka.secret:
        values[f"{pod}/containers/0/envFrom/1"] = _credentials(target)
        return [_patch("Deployment", values, replaced=f"{pod}/containers/0/envFrom/1")]
    return [_patch("Deployment", values)] if values else []


def _placement(target: Target) -> dict[str, Any]:
    """Give what of a pod's specification the target says."""
    values = {
        "nodeSelector": dict(target.node_selector),
        "tolerations": [toleration.plain for toleration in target.tolerations],
        "imagePullSecrets": [{"name": target.image_pull_secret}] if target.image_pull_secret else [],
    }
    return {name: value for name, value in values.items() if value}


def _credentials(target: Target) -> Object:
    if target.kafka.secret:
        return {"secretRef": {"name": target.kafka.secret}}
    return {"secretRef": {"name": manifests.KAFKA_CREDENTIALS, "optional": True}}


def _patch(kind: str, values: dict[str, Any], replaced: str = "") -> Object:
    """Set fields of all objects of a kind (RFC 6902), in text that people can read."""
    steps = [
        {"op": "replace" if path == replaced else "add", "path": path, "value": value} for path, value in values.items()
    ]
    return {"target": {"kind": kind}, "patch": to_yaml([steps])}
