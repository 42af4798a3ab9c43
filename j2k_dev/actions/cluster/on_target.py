"""Other people's clusters: the manifests for one, the way to its exchange and bus, and taking away what was brought."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import yaml

from j2k_dev.deploy import manifests, schema
from j2k_dev.deploy.courier import Courier
from j2k_dev.deploy.courier_pod import CourierPod
from j2k_dev.deploy.deployer import remove_namespaces
from j2k_dev.deploy.kept import keep_volume, kept_volume, let_volume_go
from j2k_dev.deploy.reach import ByCourier
from j2k_dev.deploy.target_tree import COURIER, claim_of, courier_pod, overlay_of, target_tree
from j2k_dev.deploy.tree import with_release, write_tree
from j2k_dev.model.errors import MachineryFailed, Refused
from j2k_dev.packaging.store import Store
from j2k_dev.promote.release import selector
from j2k_dev.worker.blobs import BlobStore
from j2k_dev.worker.bus import Topics

if TYPE_CHECKING:
    from pathlib import Path

    from j2k_dev.actions.cluster.record import Placed
    from j2k_dev.actions.cluster.sites import Site
    from j2k_dev.actions.images.build import Built
    from j2k_dev.actions.ui import Ui
    from j2k_dev.deploy.kubectl import Kubectl
    from j2k_dev.deploy.pods import Deployed
    from j2k_dev.engine.workspace import Workspace


def written_for_target(deployed: Deployed, site: Site, built: Built, root: Path, images: Path) -> tuple[Deployed, Path]:
    """Write the manifests, checked; return what they say, labelled with its release, and the overlay's folder."""
    target = site.target
    assert target is not None
    volume = kept_volume(site.calls, deployed.namespace)
    pod = courier_pod(deployed, target, site.pulled(built.environment.reference), _entrypoint(built, images))
    base = [each for name, file in manifests.base_objects(deployed).items() if name != "exchange.yaml" for each in file]
    schema.check([*base, claim_of(deployed, target, volume), pod], site.kubernetes)
    deployed = with_release(deployed, target_tree(deployed, target, pod, volume))
    write_tree(root, target_tree(deployed, target, pod, volume))
    return deployed, root / overlay_of(target)


def refuse_promoted(calls: Kubectl, namespace: str, pipeline: str) -> None:
    """Refuse a namespace that holds what was promoted: what is tried would take its place."""
    if calls.get("configmaps", namespace, selector(pipeline)):
        told = f"the namespace {namespace} holds what was promoted (j2k promote --history)"
        raise Refused(told, "name another namespace in a target file of its own: --target FILE")


def _entrypoint(built: Built, images: Path) -> tuple[str, ...]:
    """Return what starts the interpreter in the environment's image."""
    kept = Store(images).load(images.joinpath(built.environment.folder).name)
    assert kept is not None  # it was just built
    return kept.settings.entrypoint


def courier_in(overlay: Path) -> dict[str, Any] | None:
    """Read the courier's pod of an overlay; None where the exchange is a shared folder."""
    file = overlay / COURIER
    return yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else None


def courier_of(workspace: Workspace, placed: Placed) -> Courier:
    """Give the courier of a pipeline on a cluster; nothing is connected before the first question."""
    assert placed.courier is not None
    return Courier(CourierPod(placed.calls, placed.courier).connect, BlobStore(workspace.exchange / "blobs"))


def reach_of(workspace: Workspace, placed: Placed) -> ByCourier:
    """Give the way to the exchange and the bus of a pipeline on a cluster."""
    return ByCourier(courier_of(workspace, placed), workspace.exchange)


def remove_from_target(workspace: Workspace, placed: Placed, ui: Ui, *, purge: bool) -> None:
    """Remove a pipeline from a cluster, with its topics; what is on its volume stays, unless it is to be purged."""
    calls, namespace = placed.calls, placed.namespace
    if _is_there(placed, ui):
        with ui.step(f"removing {namespace} from {placed.context}"):
            volume = "" if purge else keep_volume(calls, namespace)
            with contextlib.closing(courier_of(workspace, placed)) as courier:
                _remove_topics(courier, placed, ui)
                if purge:
                    courier.purge()
                    let_volume_go(calls, namespace)
            remove_namespaces(calls, placed.pipeline)
        if volume:
            ui.note(f"kept: the volume {volume}, with what the pipeline left on it (j2k down --purge removes that too)")


def _is_there(placed: Placed, ui: Ui) -> bool:
    """Tell whether there is anything to remove; a cluster that the kubeconfig does not know any more has nothing."""
    try:
        return bool(placed.calls.find("default", f"namespace/{placed.namespace}"))
    except MachineryFailed as error:
        if f'context "{placed.context}" does not exist' not in error.detail:
            raise
        ui.note(f"the kubeconfig has no context {placed.context} any more: {placed.namespace} is left to that cluster")
        return False


def _remove_topics(courier: Courier, placed: Placed, ui: Ui) -> None:
    """Remove a pipeline's topics; a broker that is away keeps nobody from removing the rest."""
    prefix = Topics(placed.pipeline).prefix
    try:
        courier.delete_topics(courier.topics(prefix))
    except MachineryFailed as error:
        ui.note(f"the topics that begin with {prefix} stay: {error.message}")
