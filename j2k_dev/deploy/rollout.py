"""Waiting until Deployments are as they were applied, and saying within seconds why they can't become so."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from j2k_dev.deploy.trouble import counted, explained, view
from j2k_dev.model.errors import MachineryFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from j2k_dev.deploy.kubectl import Kubectl
    from j2k_dev.deploy.manifests import Object
    from j2k_dev.deploy.trouble import PodView

READY_SECONDS = 900.0
_LOOK_SECONDS = 0.7
# Pods that are refused: those that leave may make room for them.
_REFUSED_SECONDS = 20.0
# No node has room, or the volumes are not there yet: whoever adds nodes, or makes volumes, takes minutes.
_ROOM_SECONDS = 240.0
# The API server is away: it may be back.
_AWAY_SECONDS = 30.0


@dataclass(frozen=True)
class Rollout:
    """A Deployment on its way: how many pods are as they are to be, and its pods of the present template."""

    name: str
    done: bool
    wanted: int
    ready: int
    refused: str = ""
    pods: tuple[PodView, ...] = field(default=())


def rollouts(deployments: Iterable[Object], pods: Iterable[Object]) -> tuple[Rollout, ...]:
    """Read how far Deployments are; pods of an earlier template count for nothing. Pure."""
    there = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    return tuple(_rollout(each, there) for each in deployments)


def wait_until_rolled_out(
    kubectl: Kubectl,
    namespace: str,
    selector: str,
    names: Sequence[str],
    tell: Callable[[Rollout], None] = lambda _rollout: None,
    timeout: float = READY_SECONDS,
) -> None:
    """Wait until the named Deployments run what they say, every pod ready; raise MachineryFailed with the reason.

    ``tell`` hears of each one whenever it has changed.
    """
    waiting = _Waiting(timeout)
    known: dict[str, Rollout] = {}
    while True:
        found = waiting.asked(lambda: _look(kubectl, namespace, selector, names))
        for each in found:
            if known.get(each.name) != each:
                known[each.name] = each
                tell(each)
        if len(found) == len(names) and all(each.done for each in found):
            return
        waiting.judge(found, names)
        threading.Event().wait(_LOOK_SECONDS)


class _Waiting:
    """Knows since when something is wrong, and when that is too long."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout
        self._since: dict[str, float] = {}
        self._answered = time.monotonic()

    def asked(self, ask: Callable[[], tuple[Rollout, ...]]) -> tuple[Rollout, ...]:
        """Ask; a cluster that does not answer may do so a little later."""
        while (found := self._answer(ask)) is None:
            threading.Event().wait(_LOOK_SECONDS)
        self._answered = time.monotonic()
        return found

    def _answer(self, ask: Callable[[], tuple[Rollout, ...]]) -> tuple[Rollout, ...] | None:
        try:
            return ask()
        except MachineryFailed:
            if time.monotonic() - self._answered > _AWAY_SECONDS:
                raise
            return None

    def judge(self, found: Sequence[Rollout], names: Sequence[str]) -> None:
        """Raise where something was wrong for too long."""
        wrong = {each.name: _wrong(each) for each in found if not each.done}
        now = time.monotonic()
        self._since = {name: self._since.get(name, now) for name, trouble in wrong.items() if trouble}
        for name, since in self._since.items():
            told, way_out, patience = wrong[name] or ("", "", 0.0)
            if now - since > patience:
                raise MachineryFailed(told, way_out)
        if now > self._deadline:
            raise _late(found, names, self._timeout)


def _look(kubectl: Kubectl, namespace: str, selector: str, names: Sequence[str]) -> tuple[Rollout, ...]:
    told = kubectl.get("deployments,pods", namespace, selector)
    deployments = [each for each in told if each["kind"] == "Deployment" and each["metadata"]["name"] in names]
    return rollouts(deployments, [each for each in told if each["kind"] == "Pod"])


def _rollout(deployment: Object, pods: Iterable[Object]) -> Rollout:
    spec, status = deployment["spec"], deployment.get("status", {})
    wanted, name = int(spec.get("replicas", 1)), str(deployment["metadata"]["name"])
    seen = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    counts = [int(status.get(count, 0)) for count in ("replicas", "updatedReplicas", "readyReplicas")]
    present = [pod for pod in pods if _is_of(pod, deployment)]
    refused = next((each.get("message", "") for each in _conditions(status) if each["type"] == "ReplicaFailure"), "")
    return Rollout(
        name, seen and counts == [wanted] * 3, wanted, min(counts[1:]), refused, tuple(view(pod) for pod in present)
    )


def _is_of(pod: Object, deployment: Object) -> bool:
    """Tell whether a pod was made from the template as it is now: as far as it decides what runs."""
    selector: Mapping[str, str] = deployment["spec"]["selector"]["matchLabels"]
    labels = pod["metadata"].get("labels", {})
    if any(labels.get(name) != value for name, value in selector.items()):
        return False
    mine, template = pod["spec"]["containers"][0], deployment["spec"]["template"]["spec"]["containers"][0]
    same = all(mine.get(part) == template.get(part) for part in ("image", "envFrom", "args"))
    # The cluster may give pods more variables than their template has, for the roles of their accounts.
    return same and all(variable in mine.get("env", []) for variable in template.get("env", []))


def _wrong(each: Rollout) -> tuple[str, str, float] | None:
    """Say what is wrong, what to do about it, and for how many seconds it may be so."""
    if each.refused:
        told = f"the pods of {each.name} are refused: {each.refused}"
        return told, "ask for less (replicas, resources in the target file), or for a larger quota", _REFUSED_SECONDS
    for pod in each.pods:
        if pod.why:
            way_out, patience = pod.way_out, pod.patience
            if "can't be pulled" in pod.why:
                way_out = "see registry.pull and imagePullSecret in the target file, and who may pull there"
            if pod.why.startswith("no node "):
                patience = _ROOM_SECONDS
            return f"the pod {pod.name} can't work: {explained(pod)}", way_out, patience
    return None


def _late(found: Sequence[Rollout], names: Sequence[str], timeout: float) -> MachineryFailed:
    told = {each.name: f"{each.ready} of {each.wanted} pods are ready" for each in found if not each.done}
    missing = {name: "it is not there" for name in names if name not in {each.name for each in found}}
    said = "; ".join(f"{name}: {what}" for name, what in {**told, **missing}.items())
    phases = "; ".join(f"{each.name}: {counted(each.pods) or 'no pods'}" for each in found)
    return MachineryFailed(f"not ready within {timeout:g} seconds: {said}", "kubectl describe pods", detail=phases)


def _conditions(status: Object) -> list[Object]:
    return [each for each in status.get("conditions") or [] if each.get("status") == "True"]
