"""Applying a release in waves, waiting for its pods, taking away what it lacks, and going back to what was before."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from j2k_dev.actions.promotion.context import courier_manifest, stages_of, topics_of, topics_prefix
from j2k_dev.actions.promotion.records import advanced
from j2k_dev.actions.ui import PodsEvent
from j2k_dev.deploy.courier import Courier
from j2k_dev.deploy.courier_pod import CourierPod
from j2k_dev.deploy.deployer import selector
from j2k_dev.deploy.manifests import COURIER_LABEL
from j2k_dev.deploy.pods import REPLICAS
from j2k_dev.deploy.rollout import wait_until_rolled_out
from j2k_dev.deploy.trouble import explained
from j2k_dev.promote.release import live
from j2k_dev.promote.waves import WORKERS, left_over, resource_of, waves, workers
from j2k_dev.worker.blobs import BlobStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from j2k_dev.actions.promotion.context import Promotion
    from j2k_dev.deploy.rollout import Rollout
    from j2k_dev.promote.model import Object, Release
    from j2k_dev.promote.waves import Wave

# What belongs to the whole cluster, and is applied only where something of it changes: not everybody may.
_CLUSTER_WIDE = ("StorageClass", "PersistentVolume")


@dataclass(frozen=True)
class Apply:
    """Applies the waves before the workers, or the workers' own; waits until these are ready."""

    last: bool

    def execute(self, promotion: Promotion) -> Promotion:
        """Apply one wave after the other; fields of somebody else are refused, never taken."""
        told = advanced(promotion, "applying")
        objects = _without_what_is_there(promotion, told.begun.objects)
        apply_waves(told, [wave for wave in waves(objects) if (wave.name == WORKERS) is self.last])
        if self.last:
            wait_for_workers(told, told.begun)
        return told


class Topics:
    """Has the topics that the workers read, before there are workers."""

    def execute(self, promotion: Promotion) -> Promotion:
        """Make those that there are not; the first thing that asks the broker who may do so."""
        with courier(promotion, promotion.begun) as asked, promotion.ui.step("asking the broker for topics"):
            asked.create_topics(topics_of(promotion.begun.objects), partitions=REPLICAS)
        return promotion


class Prune:
    """Takes away what earlier releases of the pipeline owned and this one lacks; never what holds data."""

    def execute(self, promotion: Promotion) -> Promotion:
        """Delete what is the pipeline's still; topics that nobody reads any more go too."""
        earlier = (each for release in promotion.releases for each in release.objects)
        prune(promotion, left_over(earlier, promotion.begun.objects))
        with courier(promotion, promotion.begun) as asked:
            there = asked.topics(topics_prefix(promotion.to.pipeline))
            asked.delete_topics([topic for topic in there if topic not in topics_of(promotion.begun.objects)])
        return promotion


@contextlib.contextmanager
def courier(promotion: Promotion, release: Release) -> Iterator[Courier]:
    """Give the courier of a release; nothing is connected before the first question."""
    manifest = courier_manifest(release.objects, release.entrypoint)
    pod = CourierPod(promotion.to.calls, manifest)
    with contextlib.closing(Courier(pod.connect, BlobStore(promotion.workspace.exchange / "blobs"))) as given:
        yield given


def remove_couriers(promotion: Promotion) -> None:
    """Remove couriers: one that an earlier command left has read settings that may be others by now."""
    to = promotion.to
    chosen = ("--namespace", to.namespace, "--selector", f"{COURIER_LABEL}={to.pipeline}", "--ignore-not-found")
    to.calls.call("delete", "pods", *chosen, "--wait=false")


def apply_waves(promotion: Promotion, chosen: Iterable[Wave]) -> None:
    """Apply waves in their order."""
    for wave in chosen:
        with promotion.ui.step(f"applying {wave.name} to {promotion.to.context}"):
            promotion.to.calls.apply_objects(wave.objects)


def wait_for_workers(promotion: Promotion, release: Release) -> None:
    """Wait until the Deployments of a release run what they say; raise MachineryFailed with the reason."""
    stages = {name: stage for stage, name in stages_of(release.objects).items()}
    to, ui = promotion.to, promotion.ui

    def tell(rollout: Rollout) -> None:
        trouble = rollout.refused or next((explained(pod) for pod in rollout.pods if pod.why), "")
        ui.pods(PodsEvent(stages[rollout.name], f"{rollout.ready} of {rollout.wanted} ready", trouble))

    with ui.step(f"waiting for {len(stages)} stages"):
        wait_until_rolled_out(to.calls, to.namespace, selector(to.pipeline), list(stages), tell)


def prune(promotion: Promotion, objects: Iterable[Object]) -> None:
    """Delete those objects that are the pipeline's still: somebody may have made others by the same names."""
    calls, to = promotion.to.calls, promotion.to
    names = tuple(dict.fromkeys(map(resource_of, objects)))
    there = calls.find(to.namespace, *names) if names else []
    ours = [resource_of(each) for each in there if _is_ours(each, to.pipeline)]
    if ours:
        calls.call("delete", *ours, "--namespace", to.namespace, "--ignore-not-found", "--wait=false")
        promotion.ui.note(f"removed: {', '.join(name.partition('/')[2] for name in ours)}")


def go_back(promotion: Promotion) -> str:
    """Have what was in use before in use again, or nothing; return that in words."""
    failed, before = promotion.begun, live(promotion.releases)
    if before is None:
        gone = workers(failed.objects)
        with promotion.ui.step(f"taking the workers of release {failed.number} away"):
            prune(promotion, gone)
        return "its workers were taken away; data volumes stay"
    promotion.ui.note(f"release {failed.number} failed: restoring release {before.number}")
    with promotion.ui.step(f"restoring release {before.number}"):
        apply_waves(promotion, waves(_without_what_is_there(promotion, before.objects)))
        wait_for_workers(promotion, before)
        prune(promotion, left_over(failed.objects, before.objects))
    return f"release {before.number} is in use again"


def _without_what_is_there(promotion: Promotion, objects: Iterable[Object]) -> tuple[Object, ...]:
    """Leave out what belongs to the whole cluster and is as it should be: changing it is not everybody's right."""
    changes = promotion.plan.changes if promotion.plan else ()
    same = {(change.kind, change.name) for change in changes if change.action == "same"}
    return tuple(
        each
        for each in objects
        if each["kind"] not in _CLUSTER_WIDE or (each["kind"], each["metadata"]["name"]) not in same
    )


def _is_ours(each: Object, pipeline: str) -> bool:
    labels = each["metadata"].get("labels", {})
    return (labels.get("app.kubernetes.io/managed-by"), labels.get("j2k.dev/pipeline")) == ("j2k", pipeline)


def failed(promotion: Promotion, reason: str) -> Promotion:
    """Write down that the release failed, and why."""
    return replace(advanced(promotion, "failed", reason=reason), summary=promotion.summary)
