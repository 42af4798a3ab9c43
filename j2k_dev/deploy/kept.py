"""The data on a target's volume, which outlives the pipeline: kept when it is removed, found again when it is back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from j2k_dev.deploy.manifests import EXCHANGE_CLAIM
from j2k_dev.model.errors import MachineryFailed, Refused

if TYPE_CHECKING:
    from j2k_dev.deploy.kubectl import Kubectl
    from j2k_dev.deploy.manifests import Object

# On a volume whose claim went: the namespace that it is kept for.
KEPT = "j2k.dev/kept"
# What was to become of it by itself, before it was kept.
_POLICY = "j2k.dev/reclaim-policy"


def keep_volume(kubectl: Kubectl, namespace: str) -> str:
    """Have a namespace's volume stay when its claim goes; return its name, empty where there is none.

    Raises Refused where that is not allowed: the data would go with the claim.
    """
    volume = _volume_of(kubectl, namespace)
    if volume:
        try:
            _keep(kubectl, volume, namespace)
        except MachineryFailed as error:
            told = f"the data on the volume {volume} would go with its claim, and it can't be kept: {error.message}"
            ways = "add --purge to remove it; to keep it, get the right to patch persistentvolumes"
            raise Refused(told, ways, error.detail) from error
    return volume


def let_volume_go(kubectl: Kubectl, namespace: str) -> None:
    """Undo that a volume is kept: what becomes of it when its claim goes is as it was."""
    for volume in _kept(kubectl, namespace):
        policy = volume["metadata"].get("annotations", {}).get(_POLICY, "Retain")
        change = {
            "metadata": {"labels": {KEPT: None}, "annotations": {_POLICY: None}},
            "spec": {"persistentVolumeReclaimPolicy": policy},
        }
        _patch(kubectl, volume["metadata"]["name"], change)


def kept_volume(kubectl: Kubectl, namespace: str) -> str:
    """Return the volume that is kept for a namespace; empty where there is none."""
    found = _kept(kubectl, namespace)
    return str(found[0]["metadata"]["name"]) if found else ""


def free_volume(kubectl: Kubectl, namespace: str) -> None:
    """Let what is kept for a namespace be claimed again."""
    for volume in _kept(kubectl, namespace):
        if volume.get("status", {}).get("phase") == "Released":
            _patch(kubectl, volume["metadata"]["name"], {"spec": {"claimRef": None}})


def _keep(kubectl: Kubectl, name: str, namespace: str) -> None:
    (volume,) = kubectl.find("default", f"persistentvolume/{name}")
    policy = volume["metadata"].get("annotations", {}).get(_POLICY) or volume["spec"]["persistentVolumeReclaimPolicy"]
    change = {
        "metadata": {"labels": {KEPT: namespace}, "annotations": {_POLICY: policy}},
        "spec": {"persistentVolumeReclaimPolicy": "Retain"},
    }
    _patch(kubectl, name, change)


def _kept(kubectl: Kubectl, namespace: str) -> list[Object]:
    try:
        return kubectl.get("persistentvolumes", namespace, f"{KEPT}={namespace}")
    except MachineryFailed as error:
        if "Forbidden" in error.detail:  # who may not see volumes has kept none
            return []
        raise


def _volume_of(kubectl: Kubectl, namespace: str) -> str:
    found = kubectl.find(namespace, f"persistentvolumeclaim/{EXCHANGE_CLAIM}")
    return str(found[0]["spec"].get("volumeName", "")) if found else ""


def _patch(kubectl: Kubectl, volume: str, change: Object) -> None:
    kubectl.call("patch", "persistentvolume", volume, "--type=merge", "--patch", json.dumps(change))
