"""Why a pod can't do its work, in words: from what Kubernetes tells about it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable

    from j2k_dev.deploy.manifests import Object

Phase = Literal["pending", "pulling", "starting", "ready", "stopping", "troubled"]

_PULL = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable")
_CONFIGURATION = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
# What no further try mends. A login that is refused is none of it: the first pod on a node may have been too early to
# get its pull secret from the kubelet, which then asks the registry without one.
_FINAL = re.compile(r"not found|manifest unknown|InvalidImageName", re.IGNORECASE)
# How long trouble may last before a person hears of it. What only a person mends, a node whose other pods are just
# leaving: seconds. A container that ends may well be mended by its next start, an image by the next pull: Kubernetes
# waits 10 s for the second try and 20 s for the third.
_SECONDS, _LEAVING_SECONDS, _SLOW_SECONDS, _AGAIN_SECONDS, _SCHEDULING_SECONDS = 6.0, 12.0, 30.0, 40.0, 60.0


@dataclass(frozen=True)
class PodView:
    """One pod as people look at it; ``why`` where it is in trouble, ``killed`` how its container ended last.

    ``patience`` is for how many seconds the trouble may mend itself; ``topic`` where the pod gets its messages.
    """

    name: str
    stage: str
    phase: Phase
    restarts: int
    why: str = ""
    way_out: str = ""
    killed: str = ""
    patience: float = 0.0
    topic: str = ""


class _Trouble(NamedTuple):
    why: str = ""
    way_out: str = ""
    patience: float = 0.0


def view(pod: Object) -> PodView:
    """Read a pod's status."""
    metadata, status = pod["metadata"], pod.get("status", {})
    container: Object = next(iter(status.get("containerStatuses", ())), {})
    given: Object = next(iter(pod.get("spec", {}).get("containers", ())), {})
    trouble = _trouble(pod, status, container, given)
    return PodView(
        name=metadata["name"],
        stage=metadata.get("labels", {}).get("j2k.dev/stage", ""),
        phase="troubled" if trouble.why else _phase(metadata, container, status),
        restarts=container.get("restartCount", 0),
        why=trouble.why,
        way_out=trouble.way_out,
        killed=_how_it_ended(container, given),
        patience=trouble.patience,
        topic=next((each["value"] for each in given.get("env", ()) if each["name"] == "INPUT_TOPIC"), ""),
    )


def counted(pods: Iterable[PodView]) -> str:
    """Count pods by what they do, as people say it: ``1 pulling, 2 ready``."""
    phases = [pod.phase for pod in pods]
    return ", ".join(f"{phases.count(phase)} {phase}" for phase in get_args(Phase) if phase in phases)


def explained(pod: PodView) -> str:
    """Say what is wrong with a pod, and how its container ended last where that adds to it."""
    return f"{pod.why} ({pod.killed})" if pod.killed and pod.killed not in pod.why else pod.why


def _phase(metadata: Object, container: Object, status: Object) -> Phase:
    if "deletionTimestamp" in metadata:
        return "stopping"
    if container.get("ready"):
        return "ready"
    if "running" in container.get("state", {}):
        return "starting"
    scheduled = any(each["type"] == "PodScheduled" and each["status"] == "True" for each in _conditions(status))
    return "pulling" if scheduled else "pending"


def _trouble(pod: Object, status: Object, container: Object, given: Object) -> _Trouble:
    waiting: Object = container.get("state", {}).get("waiting", {})
    reason, message = waiting.get("reason", ""), waiting.get("message", "").strip()
    if reason in _PULL:
        told = f"the image {container.get('image', '')} can't be pulled: {message or reason}"
        return _Trouble(told, "see that the registry runs: j2k sandbox up", _tries(told))
    if reason in _CONFIGURATION:
        told = f"its container can't be made: {message or reason}"
        return _Trouble(told, _describe(pod), _tries(told))
    if reason == "CrashLoopBackOff":
        how = _how_it_ended(container, given)
        return _Trouble(f"it ends again and again ({how})", _logs(pod), _SLOW_SECONDS)
    if status.get("reason") == "Evicted":
        return _Trouble(f"it was evicted: {status.get('message', '')}", _describe(pod), _SLOW_SECONDS)
    for condition in _conditions(status):
        if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable":
            return _unschedulable(pod, condition.get("message", ""), given)
    return _Trouble()


def _tries(told: str) -> float:
    return _SECONDS if _FINAL.search(told) else _AGAIN_SECONDS


def _unschedulable(pod: Object, message: str, given: Object) -> _Trouble:
    if "Insufficient" in message:
        told = f"no node has room for it ({_asked(given)}): {message}"
        way_out = "ask for less (--memory STAGE=SIZE, --replicas N), remove other pipelines, or add nodes"
        return _Trouble(told, way_out, _LEAVING_SECONDS)
    # A volume that is being bound, a node that is being made ready: looked at again now and then, which takes time.
    return _Trouble(f"no node takes it: {message}", _describe(pod), _SCHEDULING_SECONDS)


def _asked(given: Object) -> str:
    asked = given.get("resources", {}).get("requests", {})
    return f"{asked.get('memory', 'any')} of memory, {asked.get('cpu', 'any')} of CPU"


def _how_it_ended(container: Object, given: Object) -> str:
    """Put the end of the last container into words; empty where none ended."""
    ended: Object = container.get("state", {}).get("terminated") or container.get("lastState", {}).get("terminated")
    if not ended:
        return ""
    if ended.get("reason") == "OOMKilled":
        limit = given.get("resources", {}).get("limits", {}).get("memory")
        return f"OOMKilled: it needed more memory than its limit{f' of {limit}' if limit else ''}"
    signal = ended.get("signal")
    return f"killed by signal {signal}" if signal else f"exit code {ended.get('exitCode')}"


def _conditions(status: Object) -> list[Object]:
    found: list[Object] = status.get("conditions") or []
    return found


def _describe(pod: Object) -> str:
    return f"kubectl describe pod {pod['metadata']['name']} --namespace {pod['metadata']['namespace']}"


def _logs(pod: Object) -> str:
    return f"kubectl logs {pod['metadata']['name']} --previous --namespace {pod['metadata']['namespace']}"
