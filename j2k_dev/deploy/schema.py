"""Checking objects against Kubernetes' own schemas, strictly and without a cluster."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import kubernetes_validate

from j2k_dev.model.errors import J2kError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from j2k_dev.deploy.manifests import Object


def check(objects: Iterable[Object], kubernetes: str) -> None:
    """Raise with every object that the schemas of this Kubernetes version (``v1.34.4``) don't allow.

    The manifests are ours, so what is wrong with them is a bug of ours.
    """
    problems = [problem for each in objects for problem in _problems(each, _known_version(kubernetes))]
    if problems:
        raise J2kError("manifests that Kubernetes does not allow", detail="\n".join(problems))


def _problems(each: Object, version: str) -> list[str]:
    try:
        kubernetes_validate.validate(each, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        place = ".".join(map(str, error.path))
        return [f"{each['kind']} {each['metadata']['name']}: {place}: {error.message}"]
    return []


def _known_version(kubernetes: str) -> str:
    """Return the schemas' version: that of the cluster, or the latest there is if the cluster is newer."""
    found = re.match(r"v?(\d+)\.(\d+)", kubernetes)
    latest: str = kubernetes_validate.latest_version()
    newest = tuple(map(int, latest.split(".")[:2]))
    if found is None or tuple(map(int, found.groups())) >= newest:
        return latest
    return ".".join(found.groups())
