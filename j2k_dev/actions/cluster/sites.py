"""Where pipelines run: the workspace's sandbox, or the cluster of a target file, with what belongs to each."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from j2k_dev.actions.sandbox import BringUp, engine_for
from j2k_dev.deploy.kubectl import Cluster, Kubectl
from j2k_dev.deploy.target import read_target
from j2k_dev.model.errors import BadInput, MachineryFailed, Refused
from j2k_dev.packaging.registry import Registry
from j2k_dev.sandbox.building.build import builder
from j2k_dev.sandbox.building.recipes import load_recipes
from j2k_dev.sandbox.commands import SystemRunner
from j2k_dev.sandbox.images import provide_images
from j2k_dev.sandbox.model import KAFKA_PROXIED_PORT, KAFKA_PROXIED_SERVICE, Sandbox
from j2k_dev.worker.kafka.settings import KafkaSettings, environment_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from j2k_dev.actions.context import Context
    from j2k_dev.actions.ui import Ui
    from j2k_dev.deploy.target import Target

# The sandbox's broker notices a lost worker as soon as it may.
_SESSION_SECONDS = 3.0
# Through the proxy, so that the network can be cut or slowed without deploying anything anew.
_BROKER_OF_PODS = f"{KAFKA_PROXIED_SERVICE}:{KAFKA_PROXIED_PORT}"


@dataclass(frozen=True)
class Site:
    """A cluster with what belongs to it; ``kafka`` is what pods are told of the broker, ``broker`` this machine.

    Where there is a ``target``, this machine sees neither the broker nor the exchange: a courier does.
    """

    cluster: Cluster
    kubernetes: str
    registry: Registry
    kafka: Mapping[str, str]
    nodes: tuple[str, ...] = ()
    broker: KafkaSettings | None = None
    target: Target | None = None

    @property
    def calls(self) -> Kubectl:
        """Give the calls on the cluster."""
        return Kubectl(self.cluster, SystemRunner())

    def pulled(self, reference: str) -> str:
        """Name a pushed image as the cluster pulls it."""
        pull = self.target.registry.pull if self.target else ""
        return f"{pull}{reference.removeprefix(self.registry.address)}" if pull else reference


def site_of(context: Context) -> Site:
    """Give the cluster that the command names, else the workspace's sandbox, which is brought up."""
    return target_site(context) if context.options.cluster else sandbox_site(context)


def sandbox_site(context: Context) -> Site:
    """Have the workspace's sandbox up, and say how to reach it."""
    sandbox = Sandbox(context.workspace.root)
    with engine_for(sandbox, context.ui) as engine:
        state = BringUp().execute(engine)
        kubectl = provide_images("auto", engine.client, engine.runner, context.ui).kubectl
    cluster = Cluster(state.context, Path(state.kubeconfig), str(kubectl))
    return Site(
        cluster,
        state.kubernetes,
        Registry(state.registry),
        environment_of(KafkaSettings((_BROKER_OF_PODS,), session=_SESSION_SECONDS)),
        tuple(_node_names(Kubectl(cluster, SystemRunner()))),
        KafkaSettings((state.kafka,), session=_SESSION_SECONDS),
    )


def target_site(context: Context) -> Site:
    """Read the target file of the context that the command names, and see whether its cluster answers."""
    options = context.options
    folder = options.notebook.parent
    return site_for(read_target(options.cluster, options.target, folder), folder, context.ui)


def site_for(target: Target, folder: Path, ui: Ui) -> Site:
    """Give the cluster of a target, which has to answer; files that it names are found from ``folder``."""
    cluster = cluster_of(target, folder, ui)
    kubernetes, registry = _version(cluster), registry_of(target, folder)
    return Site(cluster, kubernetes, registry, target.kafka.environment, target=target)


def cluster_of(target: Target, folder: Path, ui: Ui) -> Cluster:
    """Say which cluster a target is; nothing is asked of it."""
    return Cluster(target.context, _file(folder, target.kubeconfig), kubectl_here(ui))


def registry_of(target: Target, folder: Path) -> Registry:
    """Give the registry of a target."""
    ca = _file(folder, target.registry.ca)
    return Registry(target.registry.push, target.registry.insecure, str(ca or ""))


def _file(folder: Path, named: str) -> Path | None:
    """Find a file that a target names: from the notebook's folder, or by its whole path."""
    return folder.absolute() / Path(named).expanduser() if named else None


def kubectl_here(ui: Ui) -> str:
    """Find kubectl: the one on the path, else the one that the sandbox is made with, if that was built here."""
    if found := shutil.which("kubectl"):
        return found
    recipes = load_recipes()
    artefact, _, file = str(recipes.tables["tools"]["kubectl"]).partition("/")
    built = builder(recipes, SystemRunner(), ui).folder(artefact) / file
    if built.exists():
        return str(built)
    raise MachineryFailed("kubectl is not installed", "https://kubernetes.io/docs/tasks/tools says how to get it")


def _version(cluster: Cluster) -> str:
    """Ask the cluster for its version: a context that does not exist, or no rights, are told at once."""
    try:
        return Kubectl(cluster, SystemRunner()).version()
    except MachineryFailed as error:
        where = f" in {cluster.kubeconfig}" if cluster.kubeconfig else ""
        if f'context "{cluster.context}" does not exist' in error.detail:
            ways = "kubectl config get-contexts shows those there are"
            raise BadInput(f"there is no context {cluster.context}{where}", ways) from error
        told = error.detail.strip().rpartition("\n")[2] or error.message
        raise Refused(f"the cluster of {cluster.context} does not answer: {told}", error.way_out) from error


def _node_names(kubectl: Kubectl) -> list[str]:
    return [node["metadata"]["labels"]["kubernetes.io/hostname"] for node in kubectl.get("nodes", "default")]
