"""The objects that the twin's tests apply: pods as restricted namespaces want them, claims, and volumes."""

from __future__ import annotations

from typing import Any

from j2k_dev.packaging.system import USER
from tests.cluster.python_image import PYTHON

Object = dict[str, Any]

NAMESPACE = "j2k-weather"
VOLUME = "/data"
_RESOURCES = {"requests": {"cpu": "5m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}}


def pod(
    name: str,
    image: str,
    script: str,
    *,
    zone: str = "",
    volume: Object | None = None,
    user: int = USER,
    secret: str = "registry-login",
    **container: Any,
) -> Object:
    """Give a pod that runs a script once, in a zone, with a volume at ``VOLUME``."""
    mounts = [{"name": "data", "mountPath": VOLUME}] if volume else []
    worker = {
        "name": "worker",
        "image": image,
        "command": [PYTHON, "-c", script],
        "resources": _RESOURCES,
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        **container,
    }
    worker["volumeMounts"] = [*mounts, *container.get("volumeMounts", [])]
    spec = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": user,
            "runAsGroup": user,
            "fsGroup": user,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "nodeSelector": {"topology.kubernetes.io/zone": zone} if zone else {},
        "imagePullSecrets": [{"name": secret}] if secret else [],
        "containers": [worker],
        "volumes": [{"name": "data", **volume}] if volume else [],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}


def claimed(claim: str) -> Object:
    """Give a volume of a pod that is a claim's."""
    return {"persistentVolumeClaim": {"claimName": claim}}


def ephemeral(storage_class: str) -> Object:
    """Give a volume of a pod that comes and goes with it."""
    return {"ephemeral": {"volumeClaimTemplate": {"spec": claim_spec(storage_class, "ReadWriteOnce")}}}


def claim(name: str, storage_class: str, mode: str, volume: str = "") -> Object:
    """Give a claim."""
    spec = claim_spec(storage_class, mode) | ({"volumeName": volume} if volume else {})
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def claim_spec(storage_class: str, mode: str) -> Object:
    return {
        "accessModes": [mode],
        "storageClassName": storage_class,
        "resources": {"requests": {"storage": "1Gi"}},
    }


def storage_class(name: str, provisioner: str, parameters: dict[str, str]) -> Object:
    """Give a class whose volumes are made at once."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": provisioner,
        "parameters": parameters,
        "volumeBindingMode": "Immediate",
    }


def static_volume(name: str, handle: str) -> Object:
    """Give a volume of EFS that was made by hand."""
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteMany"],
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": "",
        "csi": {"driver": "efs.csi.aws.com", "volumeHandle": handle},
    }
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}
