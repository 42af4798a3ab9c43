"""In which order the objects of a release are applied, and what an earlier release owned that this one lacks. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from j2k_dev.promote.model import Object

WORKERS = "workers"
_CONFIGURATION = "configuration"
# The waves in their order, with the kinds that are not in the configuration's.
_KINDS = {
    "namespace and policy": ("Namespace", "ServiceAccount", "NetworkPolicy", "ResourceQuota", "LimitRange"),
    "storage": ("StorageClass", "PersistentVolume", "PersistentVolumeClaim"),
    _CONFIGURATION: (),
    WORKERS: ("Deployment",),
}
# What holds data, or is not one release's to remove.
_KEPT = ("Namespace", "PersistentVolumeClaim", "PersistentVolume", "StorageClass")


@dataclass(frozen=True)
class Wave:
    """Objects that are applied together, before those of the next wave."""

    name: str
    objects: tuple[Object, ...]


def waves(objects: Iterable[Object]) -> tuple[Wave, ...]:
    """Sort objects into waves; one without objects is left out."""
    found: dict[str, list[Object]] = {name: [] for name in _KINDS}
    for each in objects:
        found[_wave_of(each)].append(each)
    return tuple(Wave(name, tuple(each)) for name, each in found.items() if each)


def workers(objects: Iterable[Object]) -> tuple[Object, ...]:
    """Pick the Deployments, in the order of their stages."""
    return tuple(each for each in objects if each["kind"] == "Deployment")


def left_over(earlier: Iterable[Object], now: Iterable[Object]) -> tuple[Object, ...]:
    """Pick what an earlier release owned and this one lacks; never what holds data, nor what is the cluster's."""
    there = {identity(each) for each in now}
    return tuple(each for each in earlier if each["kind"] not in _KEPT and identity(each) not in there)


def identity(each: Object) -> tuple[str, str, str, str]:
    """Tell an object from all others: its group, kind, namespace and name."""
    metadata = each["metadata"]
    group = str(each["apiVersion"]).rpartition("/")[0]
    return group, str(each["kind"]), str(metadata.get("namespace", "")), str(metadata["name"])


def resource_of(each: Object) -> str:
    """Name an object as kubectl takes it: ``Deployment.v1.apps/stage-1-load``."""
    group, kind, _, name = identity(each)
    version = str(each["apiVersion"]).rpartition("/")[2]
    return f"{kind}.{version}.{group}/{name}"


def _wave_of(each: Object) -> str:
    return next((name for name, kinds in _KINDS.items() if each["kind"] in kinds), _CONFIGURATION)
