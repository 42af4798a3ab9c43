"""The manifests for a target: the same base as everywhere, an overlay for what the target file says, and the courier.

Pure: the same pipeline and target, the same files.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from j2k_dev.deploy import manifests, overlay
from j2k_dev.deploy.courier_pod import SERVE
from j2k_dev.deploy.overlay import Ground, patch
from j2k_dev.deploy.pods import dns_label
from j2k_dev.deploy.tree import BASE, LOCAL, base_layer, layer, to_yaml

if TYPE_CHECKING:
    from j2k_dev.deploy.manifests import Object
    from j2k_dev.deploy.pods import Deployed
    from j2k_dev.deploy.target import Target

# What is applied before everything else, so that inputs and topics are there when pods start.
FIRST = "first.yaml"
COURIER = "courier.yaml"
CA_FILE = f"{overlay.CA_CONFIG}.yaml"
_FIRST = ("namespace.yaml", "account.yaml", "network.yaml", "kafka.yaml")
# Folders that are no target's.
_TAKEN = (LOCAL, overlay.EFS, overlay.EBS)


def overlay_of(target: Target) -> str:
    """Name the folder of a target's overlay."""
    folder = f"overlays/{dns_label(target.context)}"
    return f"overlays/target-{dns_label(target.context)}" if folder in _TAKEN else folder


def target_tree(deployed: Deployed, target: Target, courier: Object, volume: str = "") -> dict[str, str]:
    """Write base and overlay as texts by file name; ``volume`` is one that was kept for this claim."""
    folder, ground = overlay_of(target), ground_of(deployed)
    counts = [{"name": pod.name, "count": deployed.replicas} for pod in deployed.pods]
    needs = overlay.resource_patches(target, {pod.stage: pod.name for pod in deployed.pods})
    first = {FIRST: to_yaml(_first(deployed, target, volume)), COURIER: to_yaml([courier])}
    return {
        **base_layer(deployed),
        **target_layer(folder, target, ground, {"replicas": counts}, tuple(needs), volume),
        **{f"{folder}/{name}": text for name, text in first.items()},
    }


def target_layer(
    folder: str,
    target: Target,
    ground: Ground,
    transformers: Object,
    patches: tuple[Object, ...] = (),
    volume: str = "",
) -> dict[str, str]:
    """Write a target's overlay and the components it stands on; ``transformers`` and ``patches`` are more of it."""
    parts = overlay.components(target, ground)
    beside = {CA_FILE: (overlay.ca_config(target.kafka, ground),)} if target.kafka.ca else {}
    names = [{"components": [f"../{part.rpartition('/')[2]}" for part in parts]}] if parts else []
    claim = [overlay.step("add", f"/spec/{name}", value) for name, value in _claim(target, ground, volume)]
    steps = overlay.pod_steps(target, ground)
    own = [patch("PersistentVolumeClaim", claim), *([patch("Deployment", steps)] if steps else []), *patches]
    if target.service_account_annotations:
        added = overlay.step("add", "/metadata/annotations", dict(target.service_account_annotations))
        own.append(patch("ServiceAccount", [added]))
    kustomization: Object = {"resources": [f"../../{BASE}", *beside]}
    for more in (*names, transformers, {"patches": own}):
        kustomization |= more
    files = layer(folder, beside, kustomization)
    return {**{name: text for part in parts.values() for name, text in part.items()}, **files}


def ground_of(deployed: Deployed) -> Ground:
    """Say what overlays of a pipeline stand on."""
    pod = manifests.deployment(deployed, deployed.pods[0])["spec"]["template"]["spec"]
    return Ground(deployed.namespace, lasting_labels(manifests.exchange_claim(deployed)), pod)


def lasting_labels(found: Object) -> dict[str, str]:
    """Give the labels of an object that stay the same from release to release."""
    return {name: value for name, value in found["metadata"]["labels"].items() if name != manifests.RELEASE}


def courier_pod(deployed: Deployed, target: Target, image: str, entrypoint: tuple[str, ...]) -> Object:
    """Make the courier's pod: the pipeline's environment, on the exchange, for as long as somebody asks something."""
    stage = manifests.deployment(deployed, deployed.pods[0])["spec"]["template"]["spec"]
    worker = stage["containers"][0]
    ca = [overlay.ca_mount()] if target.kafka.ca else []
    container = {
        "name": "courier",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["j2k_dev.worker.courier", "wait", manifests.EXCHANGE_MOUNT],
        "envFrom": [{"configMapRef": {"name": manifests.KAFKA_CONFIG}}, overlay.credentials(target)],
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}},
        "securityContext": worker["securityContext"],
        "volumeMounts": [*(mount for mount in worker["volumeMounts"] if mount["name"] != "work"), *ca],
    }
    volumes = [volume for volume in stage["volumes"] if volume["name"] != "work"]
    spec = {
        **{name: value for name, value in stage.items() if name != "topologySpreadConstraints"},
        **overlay.placement(target),
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 2,
        "containers": [container],
        "volumes": [*volumes, *([overlay.ca_volume()] if ca else [])],
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
    return {**claim, "spec": {**claim["spec"], **overlay.claim_fields(target, ground_of(deployed), volume)}}


def _claim(target: Target, ground: Ground, volume: str) -> list[tuple[str, object]]:
    """Give what the overlay says of the claim: what binds it to EFS is in that component."""
    fields = overlay.claim_fields(target, ground, volume)
    if target.storage.efs:
        fields = {"resources": fields["resources"], **({"volumeName": volume} if volume else {})}
    return list(fields.items())


def _first(deployed: Deployed, target: Target, volume: str) -> list[Object]:
    base, ground = manifests.base_objects(deployed), ground_of(deployed)
    exchange = overlay.exchange_object(target, ground)
    return [
        *(each for name in _FIRST for each in base[name]),
        *([overlay.ca_config(target.kafka, ground)] if target.kafka.ca else []),
        *([exchange] if exchange else []),
        claim_of(deployed, target, volume),
    ]
