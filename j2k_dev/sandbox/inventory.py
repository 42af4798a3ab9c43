"""What of a sandbox is in the Docker engine just now: its containers, from one listing."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from j2k_dev.sandbox.model import LABEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docker import DockerClient

    from j2k_dev.sandbox.model import Sandbox

# What kind puts on its nodes.
KIND_CLUSTER, KIND_ROLE = "io.x-k8s.kind.cluster", "io.x-k8s.kind.role"
# What we put on our containers: their role, what they were made from, and container port -> port of this machine.
ROLE, SPEC, PORTS = "j2k.dev/role", "j2k.dev/spec", "j2k.dev/ports"

CONTROL_PLANE, WORKER = "control-plane", "worker"


@dataclass(frozen=True)
class Part:
    """A container of the sandbox; ``created`` in seconds since the epoch, ``address`` on the sandbox's network."""

    name: str
    role: str
    state: str
    created: float
    address: str
    image: str
    spec: str = ""
    ports: Mapping[int, int] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        """Whether it runs (one that is paused does not)."""
        return self.state == "running"

    @property
    def is_node(self) -> bool:
        """Whether it is a node of the cluster."""
        return self.role in (CONTROL_PLANE, WORKER)


def look(client: DockerClient, sandbox: Sandbox) -> tuple[Part, ...]:
    """List the containers of a sandbox, running or not, by name."""
    listed = client.api.containers(all=True, filters={"name": f"^/?{sandbox.cluster}-"})
    ours = [told for told in listed if _is_ours(told["Labels"], sandbox)]
    return tuple(sorted((_part(told, sandbox) for told in ours), key=lambda part: part.name))


def nodes_of(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Pick the nodes, the control plane first."""
    return tuple(
        sorted((part for part in parts if part.is_node), key=lambda part: (part.role, len(part.name), part.name))
    )


def of_role(parts: tuple[Part, ...], role: str) -> Part | None:
    """Pick the container of a role."""
    return next((part for part in parts if part.role == role), None)


def _is_ours(labels: Mapping[str, str], sandbox: Sandbox) -> bool:
    return sandbox.cluster in (labels.get(LABEL), labels.get(KIND_CLUSTER))


def _part(told: Mapping[str, Any], sandbox: Sandbox) -> Part:
    labels = told["Labels"]
    endpoint = told["NetworkSettings"]["Networks"].get(sandbox.network) or {}
    return Part(
        name=told["Names"][0].lstrip("/"),
        role=labels.get(ROLE) or labels.get(KIND_ROLE, ""),
        state=told["State"],
        created=float(told["Created"]),
        address=endpoint.get("IPAddress") or "",
        image=told["ImageID"],
        spec=labels.get(SPEC, ""),
        ports={int(port): int(host) for port, host in json.loads(labels.get(PORTS, "{}")).items()},
    )
