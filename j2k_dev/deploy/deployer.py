"""``DynamicPodDeployer``: brings a pipeline's manifests onto a cluster, and takes away what it brought."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from j2k_dev.deploy.manifests import COURIER_LABEL, EXCHANGE_CLAIM, RELEASE
from j2k_dev.deploy.tree import BASE
from j2k_dev.deploy.watch import watched
from j2k_dev.model.errors import MachineryFailed, Refused

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from j2k_dev.deploy.kubectl import Kubectl
    from j2k_dev.deploy.manifests import Object
    from j2k_dev.deploy.pods import Deployed, PodManager
    from j2k_dev.deploy.trouble import PodView
    from j2k_dev.deploy.watch import PodWatch

READY_SECONDS = 180.0
_BIND_SECONDS = 30.0
_DELETE_SECONDS = 120.0
# What a plan makes one of per stage: an earlier plan may have had other stages.
_OF_STAGES = "deployments,services,poddisruptionbudgets"


class DynamicPodDeployer:
    """Deploys one pipeline to one cluster."""

    def __init__(self, kubectl: Kubectl, deployed: Deployed) -> None:
        self._kubectl = kubectl
        self._deployed = deployed

    def deploy(self, overlay: Path) -> None:
        """Apply an overlay, whole or not at all as far as a rehearsal on the server tells; remove what older ones left.

        Raises Refused where the namespace is not j2k's, or fields were changed by somebody else.
        """
        namespace = f"namespace/{self._deployed.namespace}"
        last = f"deployment/{self._deployed.pods[-1].name}"
        there = {found["kind"]: found for found in self._kubectl.find(self._deployed.namespace, namespace, last)}
        if "Namespace" in there:
            self._own(there["Namespace"])
        else:
            self._prepare(overlay)
        if _release(there.get("Deployment", {})) != self._deployed.labels.get(RELEASE):
            self._kubectl.apply(overlay, dry_run=True)
        self._kubectl.apply(overlay)
        self._remove_older()

    def begin(self, first: Path) -> None:
        """Apply what has to be there before anything else; raise Refused where the namespace is not j2k's."""
        namespace = self._deployed.namespace
        for found in self._kubectl.find(namespace, f"namespace/{namespace}"):
            self._own(found)
        self._kubectl.apply(first)
        over = ("--selector", f"{COURIER_LABEL}={self._deployed.pipeline}", "--field-selector=status.phase=Succeeded")
        self._kubectl.call("delete", "pods", "--namespace", namespace, *over, "--wait=false")

    def wait_until_ready(self, stages: Iterable[PodManager], timeout: float = READY_SECONDS) -> None:
        """Wait until each stage has a pod that is ready; say within seconds why one can't be."""
        names = [pod.name for pod in stages]
        with watched(self._kubectl, self._deployed.namespace, self.selector) as watch:
            _until_ready(watch, names, timeout)

    def remove(self) -> None:
        """Delete the namespace with all that is in it, and the volume object; the data on it stays."""
        remove(self._kubectl, self._deployed.pipeline)

    @property
    def selector(self) -> str:
        """Select what belongs to this pipeline."""
        return selector(self._deployed.pipeline)

    def _own(self, namespace: Object) -> None:
        """Refuse a namespace that is not j2k's, or another pipeline's."""
        labels = namespace["metadata"].get("labels", {})
        if labels.get("app.kubernetes.io/managed-by") != "j2k":
            raise Refused(f"the namespace {self._deployed.namespace} is not j2k's", "rename the notebook, or it")
        owner = labels.get("j2k.dev/pipeline", self._deployed.pipeline)
        if owner != self._deployed.pipeline:
            told = f"the namespace {self._deployed.namespace} is the pipeline {owner}'s"
            raise Refused(told, "a pipeline has a namespace of its own: name another one in the target file")

    def _prepare(self, overlay: Path) -> None:
        """Make the namespace, which a rehearsal needs, and bind the exchange: a pod that comes first waits for long."""
        base = overlay.parent.parent / BASE
        if not (overlay / "volume.yaml").exists():  # the claim is bound by whoever comes first
            self._kubectl.apply(base / "namespace.yaml")
            return
        self._kubectl.apply(base / "namespace.yaml", overlay / "volume.yaml", base / "exchange.yaml")
        bound = ("--for=jsonpath={.status.phase}=Bound", f"--timeout={_BIND_SECONDS:g}s")
        claim = f"persistentvolumeclaim/{EXCHANGE_CLAIM}"
        self._kubectl.call("wait", claim, "--namespace", self._deployed.namespace, *bound)

    def _remove_older(self) -> None:
        """Delete what belongs to stages of an earlier plan; it need not be gone before the run begins."""
        older = f"{self.selector},{RELEASE}!={self._deployed.labels.get(RELEASE, '')}"
        options = ("--namespace", self._deployed.namespace, "--selector", older, "--wait=false")
        self._kubectl.call("delete", _OF_STAGES, *options, "--ignore-not-found")


def selector(pipeline: str) -> str:
    """Select what belongs to a pipeline."""
    return f"j2k.dev/pipeline={pipeline}"


def remove(kubectl: Kubectl, *pipelines: str) -> None:
    """Delete pipelines' namespaces with all that is in them, and their volume objects; the data on volumes stays."""
    for kind in ("namespaces", "persistentvolumes"):
        kubectl.call("delete", kind, *_of(pipelines), timeout=_DELETE_SECONDS + 10)


def remove_namespaces(kubectl: Kubectl, *pipelines: str) -> None:
    """Delete pipelines' namespaces with all that is in them, and no volumes: those are the cluster's."""
    kubectl.call("delete", "namespaces", *_of(pipelines), timeout=_DELETE_SECONDS + 10)


def _of(pipelines: Iterable[str]) -> tuple[str, ...]:
    """Choose what is j2k's of these pipelines, and wait until it is gone."""
    ours = f"app.kubernetes.io/managed-by=j2k,j2k.dev/pipeline in ({','.join(pipelines)})"
    return "--selector", ours, "--ignore-not-found", "--wait=true", f"--timeout={_DELETE_SECONDS:g}s"


def _release(found: Object) -> str:
    label: str = found.get("metadata", {}).get("labels", {}).get(RELEASE, "")
    return label


def _until_ready(watch: PodWatch, names: list[str], timeout: float) -> None:
    deadline = time.monotonic() + timeout
    troubled_since: dict[str, float] = {}
    while waiting := [name for name in names if not _is_ready(watch.pods(name))]:
        watch.changed.clear()
        for name in waiting:
            _give_up_on_trouble(watch.pods(name), name, troubled_since)
        if time.monotonic() > deadline:
            raise _late(watch, waiting, timeout)
        watch.changed.wait(0.5)


def _is_ready(pods: tuple[PodView, ...]) -> bool:
    return any(pod.phase == "ready" for pod in pods)


def _give_up_on_trouble(pods: tuple[PodView, ...], name: str, since: dict[str, float]) -> None:
    troubled = next((pod for pod in pods if pod.why), None)
    if troubled is None:
        since.pop(name, None)
        return
    began = since.setdefault(name, time.monotonic())
    if time.monotonic() - began > troubled.patience:
        raise MachineryFailed(f"the pod {troubled.name} can't work: {troubled.why}", troubled.way_out)


def _late(watch: PodWatch, waiting: list[str], timeout: float) -> MachineryFailed:
    phases = ", ".join(f"{pod.name} is {pod.phase}" for name in waiting for pod in watch.pods(name))
    told = f"{', '.join(waiting)}: no pod was ready within {timeout:g} seconds"
    return MachineryFailed(told, "j2k logs STAGE, or kubectl describe pods", detail=phases)
