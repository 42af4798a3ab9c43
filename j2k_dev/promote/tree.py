"""The tree that is promoted: the base as it was verified, byte for byte, and overlays that say where it runs now.

``kubectl apply --server-side -k`` takes it as it is, and so does Argo CD: nothing in it needs j2k.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from j2k_dev.deploy import manifests, overlay
from j2k_dev.deploy.overlay import Ground, patch
from j2k_dev.deploy.target_tree import lasting_labels, overlay_of, target_layer
from j2k_dev.deploy.tree import BASE, write_tree
from j2k_dev.model.errors import J2kError
from j2k_dev.sandbox.commands import Command, SystemRunner

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from j2k_dev.deploy.target import Target
    from j2k_dev.promote.model import Object

_SECONDS = 60.0


def promoted_tree(
    base: Mapping[str, str], target: Target, images: Mapping[str, str], volume: str = ""
) -> dict[str, str]:
    """Write the base and the target's overlays as texts by path below one folder.

    ``base`` are the texts of the verified base by file name; ``images`` what the target pulls (``host/repo@sha256:…``)
    by the reference in the base; ``volume`` is one that was kept for the exchange. Raises BadInput where the target
    names a stage that there is not.
    """
    found = tuple(read_objects(base))
    ground = _ground(found, target)
    transformers = {
        "namespace": ground.namespace,
        "replicas": _replicas(found, target),
        "images": _images(images),
    }
    stages = {stage_of(each): each["metadata"]["name"] for each in _deployments(found)}
    kafka = patch("Deployment", overlay.kafka_steps(target.kafka, ground))
    patches = (_config(target), kafka, *overlay.resource_patches(target, stages))
    return {
        **{f"{BASE}/{name}": text for name, text in sorted(base.items())},
        **target_layer(overlay_of(target), target, ground, _filled(transformers), patches, volume),
    }


def built(kubectl: str, folder: Path) -> tuple[Object, ...]:
    """Return the objects that kustomize makes of an overlay's folder, as ``kubectl kustomize`` prints them.

    Nothing is asked of any network. Raises MachineryFailed with what kubectl said, and for a warning too.
    """
    told = SystemRunner().run(
        Command([kubectl, "kustomize", folder], timeout=_SECONDS), "install kubectl 1.27 or later"
    )
    return tuple(each for each in yaml.safe_load_all(told) if each)


def built_tree(kubectl: str, tree: Mapping[str, str], folder: str) -> tuple[Object, ...]:
    """Return the objects that kustomize makes of one folder of a tree of texts (``overlays/prod``, ``base``)."""
    with tempfile.TemporaryDirectory(prefix="j2k-") as root:
        write_tree(Path(root), tree)
        return built(kubectl, Path(root) / folder)


def read_objects(base: Mapping[str, str]) -> Iterable[Object]:
    """Read the objects of a base from its texts."""
    for name, text in sorted(base.items()):
        if name != "kustomization.yaml":
            yield from (each for each in yaml.safe_load_all(text) if each)


def _ground(found: Iterable[Object], target: Target) -> Ground:
    (claim,) = [each for each in found if each["kind"] == "PersistentVolumeClaim"]
    pods = [each["spec"]["template"]["spec"] for each in found if each["kind"] == "Deployment"]
    if any(_shape(pod) != _shape(pods[0]) for pod in pods):
        raise J2kError("the Deployments of the base are not alike: one patch can't serve all of them")
    namespace = target.namespace or claim["metadata"]["namespace"]
    return Ground(namespace, lasting_labels(claim), pods[0])


def _shape(pod: Object) -> list[Any]:
    """Give what of a pod patches count on: which volumes, variables and sources stand where."""
    (container,) = pod["containers"]
    named = [[each["name"] for each in items] for items in (pod["volumes"], container["env"][:1])]
    return [*named, container["envFrom"], pod["securityContext"]]


def _replicas(found: Iterable[Object], target: Target) -> list[Object]:
    if target.replicas is None:
        return []
    return [{"name": each["metadata"]["name"], "count": target.replicas} for each in _deployments(found)]


def _images(images: Mapping[str, str]) -> list[Object]:
    """Give what kustomize renames repositories by; digests stay those of the base, several in one repository."""
    renamed: dict[str, str] = {}
    for source, copy in sorted(images.items()):
        (name, digest), (new, kept) = source.split("@"), copy.split("@")
        if kept != digest or renamed.setdefault(name, new) != new:
            raise J2kError(f"{source} can't become {copy}: an image is promoted as it is, a repository as a whole")
    return [{"name": name, "newName": new} for name, new in renamed.items()]


def _config(target: Target) -> Object:
    return patch("ConfigMap", [overlay.step("replace", "/data", target.kafka.environment)], manifests.KAFKA_CONFIG)


def stage_of(deployment: Object) -> str:
    """Name the stage that a Deployment is of."""
    variables = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    return str(next(each["value"] for each in variables if each["name"] == "J2K_STAGE"))


def _deployments(found: Iterable[Object]) -> list[Object]:
    return [each for each in found if each["kind"] == "Deployment"]


def _filled(values: Object) -> Object:
    return {name: value for name, value in values.items() if value}
