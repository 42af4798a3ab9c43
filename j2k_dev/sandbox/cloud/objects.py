"""What a twin's cluster has before anybody asks: the drivers of EFS and EBS, as AWS installs them."""

from __future__ import annotations

from typing import Any

from j2k_dev.sandbox.cloud.model import EBS_DRIVER, EFS_DRIVER

Object = dict[str, Any]


def drivers() -> dict[str, Object]:
    """Give the CSIDriver objects, each by its path: fields that say how the cluster treats their volumes."""
    settings = {
        EFS_DRIVER: {"attachRequired": False},
        EBS_DRIVER: {"attachRequired": True, "podInfoOnMount": False, "fsGroupPolicy": "File"},
    }
    return {
        f"/apis/storage.k8s.io/v1/csidrivers/{name}": {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "CSIDriver",
            "metadata": {"name": name},
            "spec": spec,
        }
        for name, spec in settings.items()
    }


def secret(namespace: str, name: str, kind: str, data: dict[str, str]) -> tuple[str, Object]:
    """Give a Secret that the administrator leaves in a namespace, and its path."""
    wanted = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": kind,
        "stringData": data,
    }
    return f"/api/v1/namespaces/{namespace}/secrets/{name}", wanted
