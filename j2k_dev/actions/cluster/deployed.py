"""What of a workspace is on a cluster: rendering it without applying, looking at it, calling it, removing it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from j2k_dev.actions.cluster.limits import refuse_what_pods_lack
from j2k_dev.actions.cluster.record import chosen, forget, placed_in
from j2k_dev.actions.context import opened
from j2k_dev.actions.parameters import without_parameters
from j2k_dev.actions.plan import Plan, raised
from j2k_dev.actions.record import Record
from j2k_dev.deploy.access import call_service, service_ip
from j2k_dev.deploy.deployer import remove, selector
from j2k_dev.deploy.trouble import PodView, view
from j2k_dev.engine.locks import lock, refuse_while_runs_go_on
from j2k_dev.model.errors import BadInput, MachineryFailed
from j2k_dev.sandbox.model import Sandbox
from j2k_dev.sandbox.state import read_state
from j2k_dev.worker.bus import Topics

if TYPE_CHECKING:
    from j2k_dev.actions.cluster.record import Placed
    from j2k_dev.actions.context import UpOptions
    from j2k_dev.actions.ui import Ui
    from j2k_dev.engine.workspace import Workspace

_LOOK_SECONDS = 10.0


@dataclass(frozen=True)
class StagePods:
    """A stage on a cluster and its pods."""

    stage: str
    pods: tuple[PodView, ...]


@dataclass(frozen=True)
class Deployment:
    """A pipeline on a cluster; ``trouble`` says why nothing can be told of its stages."""

    pipeline: str
    namespace: str
    context: str
    stages: tuple[StagePods, ...]
    trouble: str = ""


def render(options: UpOptions, ui: Ui) -> tuple[Path, ...]:
    """Write the manifests of a notebook's pipeline and return their files, the overlay's kustomization first."""
    # With what it needs, it takes half a second to import.
    from j2k_dev.actions.cluster.on_cluster import rendered  # noqa: PLC0415
    from j2k_dev.actions.cluster.sites import site_of  # noqa: PLC0415

    with opened(options, ui) as start:
        if not options.cluster and read_state(Sandbox(start.workspace.root)) is None:
            raise BadInput("manifests name the registry, the broker and the nodes of a sandbox", "j2k sandbox up")
        context = Plan().execute(Record().execute(start))
        assert context.recording is not None
        if context.pipeline is None:
            assert context.recording.error is not None
            raise raised(context.recording.error, "nothing can be rendered before the notebook runs to its end")
        refuse_what_pods_lack(context)
        _, overlay = rendered(without_parameters(context)[0], site_of(context))
    return (overlay / "kustomization.yaml", *sorted(overlay.parent.parent.rglob("*.yaml")))


def deployments(workspace: Workspace, context: str = "") -> tuple[Deployment, ...]:
    """Look at the pipelines of a workspace that are on a cluster, on any or on one."""
    return tuple(_deployment(placed) for placed in placed_in(workspace, context))


def address_of(workspace: Workspace, notebook: Path | None, service: str, context: str = "") -> str:
    """Return the address of a service within its cluster."""
    placed = chosen(workspace, notebook, context)
    return service_ip(placed.calls, placed.namespace, service)


def answer_of(workspace: Workspace, notebook: Path | None, service: str, path: str, context: str = "") -> str:
    """Ask a service for a path, and return what it answers."""
    placed = chosen(workspace, notebook, context)
    return call_service(placed.calls, placed.namespace, service, path)


def remove_deployments(workspace: Workspace, ui: Ui, context: str = "", *, purge: bool = False) -> tuple[str, ...]:
    """Remove the pipelines of a workspace from their clusters, or from one, with their topics; return their namespaces.

    ``purge`` removes what they left on the volumes of clusters that are not the sandbox.
    """
    from j2k_dev.actions.cluster.on_target import remove_from_target  # noqa: PLC0415 - takes its time to import

    with lock(workspace, wait=False):
        refuse_while_runs_go_on(workspace)
        there = placed_in(workspace, context)
        for placed in (placed for placed in there if placed.courier):
            remove_from_target(workspace, placed, ui, purge=purge)
            forget(workspace, placed.key)
        local = [placed for placed in there if not placed.courier]
        # Where the kubeconfig is gone, so is the sandbox, and all that was in it.
        for cluster in {placed.kubeconfig for placed in local if Path(placed.kubeconfig).exists()}:
            _remove(workspace, [placed for placed in local if placed.kubeconfig == cluster], ui)
        for placed in local:
            forget(workspace, placed.key)
    return tuple(placed.namespace for placed in there)


def _deployment(placed: Placed) -> Deployment:
    try:
        chosen_pods = (placed.namespace, selector(placed.pipeline))
        pods = tuple(map(view, placed.calls.get("pods", *chosen_pods, timeout=_LOOK_SECONDS)))
    except MachineryFailed as error:
        return Deployment(placed.pipeline, placed.namespace, placed.context, (), f"{error.message}; {error.way_out}")
    stages = tuple(
        StagePods(stage, tuple(pod for pod in pods if pod.stage == name)) for stage, name in placed.stages.items()
    )
    return Deployment(placed.pipeline, placed.namespace, placed.context, stages)


def _remove(workspace: Workspace, there: list[Placed], ui: Ui) -> None:
    namespaces = ", ".join(placed.namespace for placed in there)
    try:
        with ui.step(f"removing {namespaces} from {there[0].context}"):
            remove(there[0].calls, *(placed.pipeline for placed in there))
    except MachineryFailed as error:
        way_out = "j2k sandbox up, then again; or j2k down --sandbox, which removes the sandbox with all that is in it"
        raise MachineryFailed(f"{namespaces} can't be removed: {error.message}", way_out, error.detail) from error
    _remove_topics(workspace, there)


def _remove_topics(workspace: Workspace, there: list[Placed]) -> None:
    from j2k_dev.worker.kafka.bus import KafkaBus  # noqa: PLC0415 - takes its time to import
    from j2k_dev.worker.kafka.settings import KafkaSettings  # noqa: PLC0415 - see above

    state = read_state(Sandbox(workspace.root))
    if state is not None:
        with contextlib.closing(KafkaBus(KafkaSettings((state.kafka,)))) as bus:
            topics = [topic for placed in there for topic in bus.topics(Topics(placed.pipeline).prefix)]
            bus.delete_topics(topics)
