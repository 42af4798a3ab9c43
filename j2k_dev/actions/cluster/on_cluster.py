"""The kind engine: a cluster, images, manifests and pods for a planned pipeline, and a run in them.

Each step is skipped by itself where nothing changed; killed anywhere and called again, it goes on.
"""

from __future__ import annotations

import contextlib
import os
from functools import partial
from typing import TYPE_CHECKING

from j2k_dev.actions.cluster.limits import refuse_what_images_lack, refuse_what_pods_lack
from j2k_dev.actions.cluster.logs import keep_logs
from j2k_dev.actions.cluster.on_target import courier_in, reach_of, refuse_promoted, written_for_target
from j2k_dev.actions.cluster.record import Placed, remember
from j2k_dev.actions.cluster.sites import site_of
from j2k_dev.actions.images.build import Build, BuildOptions
from j2k_dev.actions.images.source import IMAGES
from j2k_dev.actions.parameters import without_parameters
from j2k_dev.actions.ui import PodsEvent
from j2k_dev.actions.verified import keep_deployed
from j2k_dev.deploy import manifests, schema
from j2k_dev.deploy.deployer import DynamicPodDeployer
from j2k_dev.deploy.engine import ClusterEngine, ClusterRun
from j2k_dev.deploy.kept import free_volume
from j2k_dev.deploy.logs import last_words
from j2k_dev.deploy.memory import by_stage
from j2k_dev.deploy.pods import REPLICAS, Deployed, dns_label, plan_pods
from j2k_dev.deploy.reach import SharedFolder
from j2k_dev.deploy.target_tree import FIRST
from j2k_dev.deploy.tree import LOCAL, MANIFESTS, local_tree, released, write_tree
from j2k_dev.deploy.watch import watched
from j2k_dev.engine.locks import in_use
from j2k_dev.packaging.system import USER
from j2k_dev.report.units import human_bytes
from j2k_dev.sandbox.model import EXCHANGE
from j2k_dev.worker.bus import Topics
from j2k_dev.worker.kafka.bus import KafkaBus

if TYPE_CHECKING:
    from pathlib import Path

    from j2k_dev.actions.cluster.sites import Site
    from j2k_dev.actions.context import Context
    from j2k_dev.actions.images.build import Built
    from j2k_dev.deploy.engine import PodsSeen, Progress
    from j2k_dev.deploy.reach import Bus, Reach
    from j2k_dev.model.pipeline import Pipeline
    from j2k_dev.model.run import StageResult


def run_on_cluster(context: Context, progress: Progress) -> tuple[StageResult, ...]:
    """Run the planned pipeline in pods, on the sandbox or another cluster, and return the results of its stages."""
    refuse_what_pods_lack(context)
    site = site_of(context)
    template, parameters = without_parameters(context)
    deployed, overlay = rendered(template, site)
    keep_deployed(context)
    placed = _remembered(context, deployed, site, overlay)
    reach, inputs = _reach(context, site, placed), _inputs(deployed)
    hear = partial(reach.hear, context.run, list(inputs))
    run = ClusterRun(context.run, inputs, context.workspace.exchange, parameters, hear)
    which = context.workspace.pods_lock(dns_label(placed.key))
    # While the run goes on, others may plan here and run in the same pods; who needs other pods waits for its end.
    with contextlib.closing(reach), contextlib.ExitStack() as using:
        using.enter_context(in_use(which, deployed.labels[manifests.RELEASE], context.ui.note))
        deployer = _deploy(context, deployed, overlay, site, reach)
        pods = using.enter_context(watched(placed.calls, deployed.namespace, deployer.selector))
        with context.lock.released(), using, context.ui.step(f"running {len(deployed.pods)} stages"):
            try:
                words = partial(last_words, placed.calls, placed.namespace)
                results = ClusterEngine(reach.bus, pods, words).run(run, progress, partial(_show, context))
            finally:
                keep_logs(context.workspace.run(context.run), placed, pods.pods())
            _remove_older_topics(reach.bus, deployed)
        reach.fetch(context.run, list(inputs))
    if site.target is not None:
        sent, fetched = map(human_bytes, reach.moved)
        context.ui.note(f"{sent} of inputs sent to {site.cluster.context}, {fetched} of results fetched")
    return results


def _reach(context: Context, site: Site, placed: Placed) -> Reach:
    """Give the way to the exchange and the bus: the shared folder and the broker, or a courier."""
    if site.broker is None:
        return reach_of(context.workspace, placed)
    return SharedFolder(KafkaBus(site.broker, tell=_unheard))


def _deploy(context: Context, deployed: Deployed, overlay: Path, site: Site, reach: Reach) -> DynamicPodDeployer:
    """Have topics, an exchange that pods may write, the pods, and what the run begins with."""
    deployer = DynamicPodDeployer(site.calls, deployed)
    if site.target is None:
        _give_away(context.workspace.exchange, deployed.user, deployed.group)
    else:
        refuse_promoted(site.calls, deployed.namespace, deployed.pipeline)
        free_volume(site.calls, deployed.namespace)
        deployer.begin(overlay / FIRST)
    reach.bus.create_topics(_topics(deployed), partitions=REPLICAS)
    with context.ui.step(f"deploying {len(deployed.pods)} stages to {site.cluster.context}"):
        deployer.deploy(overlay)
        reach.bring(context.run, [pod.stage for pod in deployed.pods])
    return deployer


def _show(context: Context, seen: PodsSeen) -> None:
    context.ui.pods(PodsEvent(seen.stage, seen.counts, seen.trouble))


def _unheard(_line: str) -> None:
    """Keep what the client logs from people: what matters comes as an error, with the reason."""


def _inputs(deployed: Deployed) -> dict[str, str]:
    return {pod.stage: pod.input_topic for pod in deployed.pods}


def _remove_older_topics(bus: Bus, deployed: Deployed) -> None:
    """Remove the topics that only pods of an earlier plan read: once a run went through, there are none of these."""
    there = bus.topics(Topics(deployed.pipeline).prefix)
    bus.delete_topics([topic for topic in there if topic not in _topics(deployed)])


def rendered(context: Context, site: Site) -> tuple[Deployed, Path]:
    """Have the images, and the manifests written for people to read; return what they say, and the overlay."""
    assert context.pipeline is not None
    built = Build(BuildOptions(registry=site.registry)).execute(context)
    refuse_what_images_lack(context, built)
    deployed, root = _deployed(context, context.pipeline, built, site), context.workspace.root
    if site.target is not None:
        return written_for_target(deployed, site, built, root / MANIFESTS, root / IMAGES)
    deployed = released(deployed, EXCHANGE, list(site.nodes))
    return deployed, _written(context, deployed, site)


def _remembered(context: Context, deployed: Deployed, site: Site, overlay: Path) -> Placed:
    """Write down what will be where, before any of it is there."""
    cluster, stages = site.cluster, {pod.stage: pod.name for pod in deployed.pods}
    placed = Placed(
        deployed.pipeline,
        deployed.namespace,
        cluster.context,
        str(cluster.kubeconfig or ""),
        cluster.kubectl,
        stages,
        (context.run,),
        courier_in(overlay),
    )
    remember(context.workspace, placed)
    return placed


def _deployed(context: Context, pipeline: Pipeline, built: Built, site: Site) -> Deployed:
    images = {image.name: site.pulled(image.reference) for image in built.stages}
    options, target = context.options, site.target
    work = str(context.inputs.work.parent.parent)
    memory = by_stage(options.memory, [stage.name for stage in pipeline.stages])
    return Deployed(
        pipeline=pipeline.name,
        namespace=(target.namespace if target else "") or dns_label(f"j2k-{pipeline.name}"),
        pods=plan_pods(pipeline, images, work, context.options.timeout, memory),
        kafka=site.kafka,
        # On a folder of this machine, pods are whoever it belongs to.
        user=USER if target else os.getuid() or USER,
        group=USER if target else os.getgid() or USER,
        replicas=(target.replicas if target else None) or options.replicas,
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
