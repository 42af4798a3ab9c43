"""How a sandbox is: its parts, one by one, whether they run, where they are reached, how old they are."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from j2k_dev.sandbox.inventory import CONTROL_PLANE, look, nodes_of, of_role
from j2k_dev.sandbox.nodes import ask_nodes
from j2k_dev.sandbox.state import read_state
from j2k_dev.sandbox.up import engine_errors

if TYPE_CHECKING:
    from docker import DockerClient

    from j2k_dev.sandbox.inventory import Part
    from j2k_dev.sandbox.model import Sandbox, SandboxState

# ``not ready``: a node whose container runs, and that the cluster does not count on.
PartState = Literal["running", "not ready", "stopped", "missing"]


@dataclass(frozen=True)
class PartStatus:
    """One part: ``address`` for clients on this machine where there is one; ``age`` in seconds."""

    name: str
    role: str
    state: PartState
    address: str = ""
    age: float | None = None


@dataclass(frozen=True)
class SandboxStatus:
    """All parts, and what the sandbox told of itself when it came up (None: it never did, or that is lost)."""

    cluster: str
    up: bool
    parts: tuple[PartStatus, ...]
    told: SandboxState | None


def sandbox_status(sandbox: Sandbox, client: DockerClient) -> SandboxStatus:
    """Look at every part; nothing is changed, and no lock is needed."""
    with engine_errors():
        parts = look(client, sandbox)
        told = read_state(sandbox)
        nodes = _nodes(sandbox, parts, told)
        beside = [_beside(sandbox, parts, role) for role in ("registry", "kafka", "proxy")]
    listed = (*nodes, *beside)
    return SandboxStatus(sandbox.cluster, all(part.state == "running" for part in listed), listed, told)


def _nodes(sandbox: Sandbox, parts: tuple[Part, ...], told: SandboxState | None) -> list[PartStatus]:
    nodes = nodes_of(parts)
    if not nodes:
        return [PartStatus(f"{sandbox.cluster}-{CONTROL_PLANE}", CONTROL_PLANE, "missing")]
    control_plane = of_role(parts, CONTROL_PLANE)
    now = ask_nodes(sandbox.kubeconfig) if control_plane and control_plane.running else None
    ready = {node.name for node in now or () if node.ready}
    listed = [PartStatus(node.name, node.role, _node_state(node, ready), node.address, _age(node)) for node in nodes]
    gone = (told.nodes if told else 1) - len(nodes)
    return listed + [PartStatus(f"{sandbox.cluster}-worker…", "worker", "missing")] * gone


def _node_state(node: Part, ready: set[str]) -> PartState:
    if not node.running:
        return "stopped"
    return "running" if node.name in ready else "not ready"


def _beside(sandbox: Sandbox, parts: tuple[Part, ...], role: str) -> PartStatus:
    part = of_role(parts, role)
    if part is None:
        return PartStatus(sandbox.container(role), role, "missing")
    address = ", ".join(f"localhost:{port}" for port in part.ports.values())
    return PartStatus(part.name, role, "running" if part.running else "stopped", address, _age(part))


def _age(part: Part) -> float:
    return round(time.time() - part.created, 1)
