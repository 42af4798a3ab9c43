"""What objects use of a namespace's quota, summed up as Kubernetes does. Pure.

Pods of a Deployment count with all replicas; what a rolling update adds for a moment does not: without room for it,
the update replaces pods one by one.
"""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from j2k_dev.promote.model import Object

_QUANTITY = re.compile(r"(?P<number>[+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)(?P<unit>[KMGTPE]i|[numkMGTPE]|)")
_UNITS = {
    "": Decimal(1),
    **{unit: Decimal(1000) ** power for power, unit in zip(range(-3, 0), "num", strict=True)},
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", start=1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}
# Plain counts of objects, as quotas name them.
_COUNTED = {
    "Service": "services",
    "ConfigMap": "configmaps",
    "Secret": "secrets",
    "PersistentVolumeClaim": "persistentvolumeclaims",
}
_OTHER_NAMES = {"cpu": "requests.cpu", "memory": "requests.memory"}


def quantity(written: Any) -> Decimal:
    """Read a quantity (``500m``, ``10Gi``, ``2``); ValueError where it is none."""
    match = _QUANTITY.fullmatch(str(written))
    if match is None:
        raise ValueError(f"{written!r} is no quantity")
    return Decimal(match["number"]) * _UNITS[match["unit"]]


def usage(objects: Iterable[Object]) -> Counter[str]:
    """Sum up what objects use, by the names that quotas have for it (``requests.cpu``, ``pods``)."""
    total: Counter[str] = Counter()
    for each in objects:
        for name, amount in _of(each):
            total[name] += amount  # type: ignore[assignment]  # a Counter adds up decimals as well
    return total


def exceeded(
    hard: Mapping[str, Any], used: Mapping[str, Any], live: Iterable[Object], wanted: Iterable[Object]
) -> Iterator[tuple[str, Any, Decimal]]:
    """Name what would be used above a quota's limits: the resource, its limit, and what it would be.

    ``live`` are those objects on the cluster that ``wanted`` replace.
    """
    gone, come = usage(live), usage(wanted)
    for name, limit in hard.items():
        key = _OTHER_NAMES.get(name, name)
        would = quantity(used.get(name, 0)) - gone[key] + come[key]
        if would > quantity(limit) and come[key] > gone[key]:
            yield name, limit, would


def written(amount: Decimal, like: Any) -> str:
    """Write an amount in the unit of another quantity: ``12`` in that of ``10Gi`` is ``12Gi``."""
    match = _QUANTITY.fullmatch(str(like))
    unit = match["unit"] if match else ""
    return f"{float(amount / _UNITS[unit]):.4g}{unit}"


def _of(each: Object) -> Iterator[tuple[str, Decimal]]:
    kind, spec = each["kind"], each.get("spec", {})
    if kind in _COUNTED:
        yield _COUNTED[kind], Decimal(1)
    if kind == "PersistentVolumeClaim":
        yield from _of_claim(spec)
    if kind == "Pod":
        yield from _of_pod(spec)
    if kind == "Deployment":
        yield "count/deployments.apps", Decimal(1)
        replicas = Decimal(spec.get("replicas", 1))
        yield from ((name, amount * replicas) for name, amount in _of_pod(spec["template"]["spec"]))


def _of_pod(spec: Object) -> Iterator[tuple[str, Decimal]]:
    yield "pods", Decimal(1)
    for container in spec["containers"]:
        resources = container.get("resources", {})
        limits = resources.get("limits", {})
        for name, amount in {**limits, **resources.get("requests", {})}.items():
            yield f"requests.{name}", quantity(amount)
        for name, amount in limits.items():
            yield f"limits.{name}", quantity(amount)
    for volume in spec.get("volumes", ()):
        if "ephemeral" in volume:
            yield "persistentvolumeclaims", Decimal(1)
            yield from _of_claim(volume["ephemeral"]["volumeClaimTemplate"]["spec"])


def _of_claim(spec: Object) -> Iterator[tuple[str, Decimal]]:
    size = quantity(spec["resources"]["requests"]["storage"])
    yield "requests.storage", size
    if name := spec.get("storageClassName"):
        yield f"{name}.storageclass.storage.k8s.io/requests.storage", size
        yield f"{name}.storageclass.storage.k8s.io/persistentvolumeclaims", Decimal(1)
