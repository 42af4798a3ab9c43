"""Finding one's way in objects: pods in Deployments and elsewhere, their containers, what they claim. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from j2k_dev.promote.model import Object

_WITH_TEMPLATE = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job")


@dataclass(frozen=True)
class Pods:
    """The pods that an object makes, or is: how many at a time, and what each is."""

    where: str
    count: int
    spec: Object

    @property
    def containers(self) -> list[Object]:
        """Give all containers, those that only begin included."""
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    @property
    def claims(self) -> list[str]:
        """Name the claims that its volumes are."""
        sources = [volume.get("persistentVolumeClaim") for volume in self.spec.get("volumes", [])]
        return [source["claimName"] for source in sources if source]


def where(found: Object) -> str:
    """Name an object for people: ``Deployment/stage-1-load``."""
    return f"{found['kind']}/{found['metadata']['name']}"


def pods_of(objects: Iterable[Object]) -> Iterator[Pods]:
    """Give the pods of all objects that have any."""
    for each in objects:
        if each["kind"] in _WITH_TEMPLATE:
            yield Pods(where(each), int(each["spec"].get("replicas", 1)), each["spec"]["template"]["spec"])
        elif each["kind"] == "Pod":
            yield Pods(where(each), 1, each["spec"])


def of_kind(objects: Iterable[Object], kind: str) -> dict[str, Object]:
    """Give the objects of a kind by name."""
    return {each["metadata"]["name"]: each for each in objects if each["kind"] == kind}
