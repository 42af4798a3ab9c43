"""What a sandbox is called, where its files lie, and what it tells about itself once it is up. Nothing here acts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

Source = Literal["registry", "packages"]

# On every container, network, volume and image that j2k makes; the value is the sandbox's cluster name.
LABEL = "j2k.dev/sandbox"
# Beside it: the workspace that the sandbox belongs to.
WORKSPACE_LABEL = "j2k.dev/workspace"
# The Service that leads to the broker, and its port: the same for pods and for containers beside the cluster.
KAFKA_SERVICE = "kafka.j2k-system.svc"
KAFKA_PORT = 9092
# The same broker through the proxy that network faults are made with.
KAFKA_PROXIED_SERVICE = "kafka-proxied.j2k-system.svc"
KAFKA_PROXIED_PORT = 9093
# Where the exchange folder is mounted in every node.
EXCHANGE = "/exchange"


@dataclass(frozen=True)
class Sandbox:
    """The names and paths of one sandbox of one workspace (``name`` tells a second one from the first)."""

    workspace: Path
    name: str = ""

    @property
    def cluster(self) -> str:
        """The kind cluster, and what the names of everything else begin with; two workspaces never share it."""
        digest = hashlib.sha256(str(self.workspace.absolute()).encode()).hexdigest()[:8]
        return "-".join(part for part in ("j2k", digest, self.name) if part)

    @property
    def context(self) -> str:
        """What kind calls the cluster in its kubeconfig."""
        return f"kind-{self.cluster}"

    @property
    def network(self) -> str:
        """The Docker network that nodes, registry, broker and proxy share."""
        return self.cluster

    @property
    def labels(self) -> dict[str, str]:
        """What everything of this sandbox is labelled with, so that exactly that is removed."""
        return {LABEL: self.cluster, WORKSPACE_LABEL: str(self.workspace.absolute())}

    @property
    def root(self) -> Path:
        """Where the files of this sandbox lie."""
        return self.workspace / "sandbox" / (self.name or "default")

    @property
    def kubeconfig(self) -> Path:
        """The sandbox's own kubeconfig; the user's is left alone."""
        return self.root / "kubeconfig"

    @property
    def kind_config(self) -> Path:
        """The configuration that kind was given, for people to read."""
        return self.root / "kind.yaml"

    @property
    def state(self) -> Path:
        """What the sandbox told of itself when it came up (``SandboxState``)."""
        return self.root / "sandbox.json"

    @property
    def logs(self) -> Path:
        """What the programs said that made it."""
        return self.root / "logs"

    @property
    def exchange(self) -> Path:
        """The folder on this machine that every node sees as ``EXCHANGE``."""
        return self.workspace / "exchange"

    @property
    def token(self) -> str:
        """Name the file in it by which nodes and this machine tell that they see the same; sandboxes share the rest."""
        return "-".join(part for part in (".sandbox", self.name) if part)

    def container(self, role: str) -> str:
        """Name the container of a role: ``registry``, ``kafka``, ``proxy``."""
        return f"{self.cluster}-{role}"


@dataclass(frozen=True)
class Image:
    """An image that is present in the Docker engine."""

    reference: str
    digest: str
    source: Source


@dataclass(frozen=True)
class Images:
    """The four images that a sandbox is made of, and the programs that belong to them."""

    node: Image
    registry: Image
    kafka: Image
    proxy: Image
    kubernetes: str
    kind: Path
    kubectl: Path


@dataclass(frozen=True)
class CloudState:
    """What the twin of a cloud tells besides; the sandbox's context and kubeconfig are its user's, who may do little.

    ``registry`` is what the cluster calls it, and ``ca`` the file with the authority of registry and broker;
    ``docker_config`` is a folder for DOCKER_CONFIG that is logged in, ``logins`` the file with all passwords.
    ``pull_secret`` and ``kafka_secret`` are there in the namespaces of ``pipelines`` (by the pipeline's name).
    """

    admin_context: str
    admin_kubeconfig: str
    zones: tuple[str, ...]
    registry: str
    ca: str
    docker_config: str
    logins: str
    pull_secret: str
    kafka_secret: str
    kafka_mechanism: str
    file_system: str
    access_point: str
    pipelines: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SandboxState:
    """What a sandbox tells about itself: the document of ``j2k sandbox up --json``.

    ``registry`` is ``localhost:PORT``; ``kafka`` and ``kafka_proxied`` are bootstrap addresses for this machine,
    ``kafka_in_cluster`` for pods; ``proxy`` is the address of the proxy's HTTP interface; seconds are per part.
    ``cloud`` is what a twin tells besides.
    """

    cluster: str
    context: str
    kubeconfig: str
    kubernetes: str
    nodes: int
    registry: str
    kafka: str
    kafka_in_cluster: str
    kafka_proxied: str
    proxy: str
    images: dict[str, Image]
    version: str
    seconds: dict[str, float] = field(default_factory=dict)
    cloud: CloudState | None = None
