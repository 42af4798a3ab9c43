"""The manifests as people and ``kubectl apply -k`` read them: a kustomize base, and an overlay for where it runs."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from typing import TYPE_CHECKING, Any

import yaml

from j2k_dev.deploy import manifests
from j2k_dev.engine.workspace import write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from j2k_dev.deploy.manifests import Object
    from j2k_dev.deploy.pods import Deployed

BASE = "base"
# Where the manifests are, in a workspace.
MANIFESTS = "manifests"
LOCAL = "overlays/local"

_KUSTOMIZATION = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}


def local_tree(deployed: Deployed, path: str, nodes: list[str]) -> dict[str, str]:
    """Write base and local overlay as texts by file name; ``path`` on ``nodes`` is the exchange."""
    volume = {"volume.yaml": (manifests.local_volume(deployed, path, nodes),)}
    counts = [{"name": pod.name, "count": deployed.replicas} for pod in deployed.pods]
    overlay = layer(LOCAL, volume, {"resources": ["../../base", *volume], "replicas": counts})
    return {**base_layer(deployed), **overlay}


def base_layer(deployed: Deployed) -> dict[str, str]:
    """Write what every cluster gets."""
    base = manifests.base_objects(deployed)
    return layer(BASE, base, {"resources": list(base)})


def released(deployed: Deployed, path: str, nodes: list[str]) -> Deployed:
    """Label what is deployed with a hash of its manifests: the same ones, the same release."""
    return with_release(deployed, local_tree(deployed, path, nodes))


def with_release(deployed: Deployed, tree: Mapping[str, str]) -> Deployed:
    """Label what is deployed with a hash of the manifests that are made of it."""
    texts = sorted(tree.items())
    release = hashlib.sha256(repr(texts).encode()).hexdigest()[:16]
    return dataclasses.replace(deployed, labels={**deployed.labels, manifests.RELEASE: release})


def write_tree(root: Path, texts: Mapping[str, str]) -> None:
    """Write the files below ``root``, which then holds these and nothing else."""
    for folder in {root / name.split("/")[0] for name in texts}:
        shutil.rmtree(folder, ignore_errors=True)
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        write_text(root / name, text)


def to_yaml(documents: Iterable[Any]) -> str:
    """Write documents the way people write Kubernetes manifests: in our order, in blocks, lists indented."""
    return yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, default_flow_style=False, width=120)


def layer(folder: str, files: Mapping[str, tuple[Object, ...]], kustomization: Object) -> dict[str, str]:
    """Write a kustomization and the files beside it."""
    documents = {"kustomization.yaml": ({**_KUSTOMIZATION, **kustomization},), **files}
    return {f"{folder}/{name}": to_yaml(objects) for name, objects in documents.items()}


class _Dumper(yaml.SafeDumper):
    """Indents lists below their key, and repeats what is the same instead of pointing at it."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Write a text of several lines as one that people can read."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
