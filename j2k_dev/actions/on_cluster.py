"""The kind engine: a sandbox, images, manifests and pods for a planned pipeline, and a run in them.

Each step is skipped by itself where nothing changed; killed anywhere and called again, it goes on.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from j2k_dev.actions.build import Build, BuildOptions
from j2k_dev.actions.cluster_limits import refuse_what_images_lack, refuse_what_pods_lack
from j2k_dev.actions.cluster_logs import keep_logs
from j2k_dev.actions.cluster_record import Placed, remember
from j2k_dev.actions.parameters import without_parameters
from j2k_dev.actions.sandbox import BringUp, engine_for
from j2k_dev.actions.ui import PodsEvent
from j2k_dev.deploy import manifests, schema
from j2k_dev.deploy.deployer import DynamicPodDeployer
from j2k_dev.deploy.engine import ClusterEngine, ClusterRun
from j2k_dev.deploy.kubectl import Cluster, Kubectl
from j2k_dev.deploy.logs import last_words
from j2k_dev.deploy.memory import by_stage
from j2k_dev.deploy.pods import REPLICAS, Deployed, dns_label, plan_pods
from j2k_dev.deploy.tree import LOCAL, local_tree, released, write_tree
from j2k_dev.deploy.watch import watched
from j2k_dev.engine.locks import in_use
from j2k_dev.packaging.system import USER
from j2k_dev.sandbox.commands import SystemRunner
from j2k_dev.sandbox.images import provide_images
from j2k_dev.sandbox.model import EXCHANGE, Sandbox
from j2k_dev.worker.bus import Topics
from j2k_dev.worker.kafka.bus import KafkaBus
from j2k_dev.worker.kafka.settings import KafkaSettings, environment_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from j2k_dev.actions.build import Built
    from j2k_dev.actions.context import Context
    from j2k_dev.deploy.engine import PodsSeen, Progress
    from j2k_dev.model.pipeline import Pipeline
    from j2k_dev.model.run import StageResult

MANIFESTS = "manifests"
# The sandbox's broker notices a lost worker as soon as it may.
_SESSION_SECONDS = 3.0


@dataclass(frozen=True)
class Site:
    """A cluster with what belongs to it; ``broker`` as this machine sees it, ``kafka`` as pods are told."""

    cluster: Cluster
    kubernetes: str
    nodes: tuple[str, ...]
    registry: str
    broker: KafkaSettings
    kafka: Mapping[str, str]


def run_on_cluster(context: Context, progress: Progress) -> tuple[StageResult, ...]:
    """Run the planned pipeline in pods on the workspace's sandbox, and return the results of its stages."""
    refuse_what_pods_lack(context)
    site = sandbox_site(context)
    template, parameters = without_parameters(context)
    deployed, overlay = rendered(template, site)
    placed = _remembered(context, deployed, site)
    run = ClusterRun(context.run, _inputs(deployed), context.workspace.exchange, parameters)
    which = context.workspace.pods_lock(deployed.pipeline)
    # While the run goes on, others may plan here and run in the same pods; who needs other pods waits for its end.
    with contextlib.closing(KafkaBus(site.broker, tell=_unheard)) as bus, contextlib.ExitStack() as using:
        using.enter_context(in_use(which, deployed.labels[manifests.RELEASE], context.ui.note))
        deployer = _deploy(context, deployed, overlay, site, bus)
        pods = using.enter_context(watched(placed.calls, deployed.namespace, deployer.selector))
        with context.lock.released(), using, context.ui.step(f"running {len(deployed.pods)} stages"):
            try:
                words = partial(last_words, placed.calls, placed.namespace)
                results = ClusterEngine(bus, pods, words).run(run, progress, partial(_show, context))
            finally:
                keep_logs(context.workspace.run(context.run), placed, pods.pods())
            _remove_older_topics(bus, deployed)
    return results


def _deploy(context: Context, deployed: Deployed, overlay: Path, site: Site, bus: KafkaBus) -> DynamicPodDeployer:
    """Have topics, an exchange that pods may write, and the pods."""
    bus.create_topics(_topics(deployed), partitions=REPLICAS)
    _give_away(context.workspace.exchange, deployed.user, deployed.group)
    deployer = DynamicPodDeployer(Kubectl(site.cluster, SystemRunner()), deployed)
    with context.ui.step(f"deploying {len(deployed.pods)} stages to {site.cluster.context}"):
        deployer.deploy(overlay)
    return deployer


def _show(context: Context, seen: PodsSeen) -> None:
    context.ui.pods(PodsEvent(seen.stage, seen.counts, seen.trouble))


def _unheard(_line: str) -> None:
    """Keep what the client logs from people: what matters comes as an error, with the reason."""


def _inputs(deployed: Deployed) -> dict[str, str]:
    return {pod.stage: pod.input_topic for pod in deployed.pods}


def _remove_older_topics(bus: KafkaBus, deployed: Deployed) -> None:
    """Remove the topics that only pods of an earlier plan read: once a run went through, there are none of these."""
    there = bus.topics(Topics(deployed.pipeline).prefix)
    bus.delete_topics([topic for topic in there if topic not in _topics(deployed)])


def rendered(context: Context, site: Site) -> tuple[Deployed, Path]:
    """Have the images, and the manifests written for people to read; return what they say, and the overlay."""
    assert context.pipeline is not None
    built = Build(BuildOptions(registry=site.registry)).execute(context)
    refuse_what_images_lack(context, built)
    deployed = released(_deployed(context, context.pipeline, built, site), EXCHANGE, list(site.nodes))
    return deployed, _written(context, deployed, site)


def _remembered(context: Context, deployed: Deployed, site: Site) -> Placed:
    """Write down what will be where, before any of it is there."""
    cluster, stages = site.cluster, {pod.stage: pod.name for pod in deployed.pods}
    placed = Placed(
        deployed.pipeline,
        deployed.namespace,
        cluster.context,
        str(cluster.kubeconfig),
        cluster.kubectl,
        stages,
        (context.run,),
    )
    remember(context.workspace, placed)
    return placed


def sandbox_site(context: Context) -> Site:
    """Have the workspace's sandbox up, and say how to reach it."""
    sandbox = Sandbox(context.workspace.root)
    with engine_for(sandbox, context.ui) as engine:
        state = BringUp().execute(engine)
        kubectl = provide_images("auto", engine.client, engine.runner, context.ui).kubectl
    cluster = Cluster(state.context, Path(state.kubeconfig), str(kubectl))
    inside = KafkaSettings((state.kafka_in_cluster,), session=_SESSION_SECONDS)
    return Site(
        cluster,
        state.kubernetes,
        tuple(_node_names(Kubectl(cluster, SystemRunner()))),
        state.registry,
        KafkaSettings((state.kafka,), session=_SESSION_SECONDS),
        environment_of(inside),
    )


def _node_names(kubectl: Kubectl) -> list[str]:
    return [node["metadata"]["labels"]["kubernetes.io/hostname"] for node in kubectl.get("nodes", "default")]


def _deployed(context: Context, pipeline: Pipeline, built: Built, site: Site) -> Deployed:
    images = {image.name: image.reference for image in built.stages}
    work = str(context.inputs.work.parent.parent)
    memory = by_stage(context.options.memory, [stage.name for stage in pipeline.stages])
    return Deployed(
        pipeline=pipeline.name,
        namespace=dns_label(f"j2k-{pipeline.name}"),
        pods=plan_pods(pipeline, images, work, context.options.timeout, memory),
        kafka=site.kafka,
        user=os.getuid() or USER,
        group=os.getgid() or USER,
        replicas=context.options.replicas,
        scratch=built.scratch,
    )


def _topics(deployed: Deployed) -> list[str]:
    ends = {pod.results_topic for pod in deployed.pods} | {pod.dead_letter_topic for pod in deployed.pods}
    return [*(pod.input_topic for pod in deployed.pods), *sorted(ends)]


def _written(context: Context, deployed: Deployed, site: Site) -> Path:
    """Write the manifests, checked, where people can read them; return the overlay."""
    objects = [each for file in manifests.base_objects(deployed).values() for each in file]
    schema.check([*objects, manifests.local_volume(deployed, EXCHANGE, list(site.nodes))], site.kubernetes)
    root = context.workspace.root / MANIFESTS
    write_tree(root, local_tree(deployed, EXCHANGE, list(site.nodes)))
    return root / LOCAL


def _give_away(exchange: Path, user: int, group: int) -> None:
    """Let the pods' user write wherever root made folders; anybody else's pods run as themselves."""
    if os.getuid() != 0:
        return
    for folder, _, _ in os.walk(exchange):
        with contextlib.suppress(FileNotFoundError):  # pods of other runs may be at work
            if os.stat(folder).st_uid != user:  # noqa: PTH116 - hundreds of paths: strings are faster
                os.chown(folder, user, group)
