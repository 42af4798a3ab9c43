"""What kind is told: a configuration that people can read, and the files that nodes see. Nothing here acts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import yaml

from j2k_dev.sandbox.model import EXCHANGE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from j2k_dev.sandbox.model import Images, Sandbox

ZONE_LABEL = "topology.kubernetes.io/zone"
CNI_FILE = "/etc/cni/net.d/00-j2k.conflist"

Patch = dict[str, Any]

MOST_NODES = 26

_ZONES = "abcdefghijklmnopqrstuvwxyz"
_KUBELET_CGROUPFS: Patch = {"kind": "KubeletConfiguration", "cgroupDriver": "cgroupfs"}
_OWN_CONTROL_PLANE: Patch = {
    "kind": "ClusterConfiguration",
    # A score of RSA keys takes seconds to find.
    "featureGates": {"PublicKeysECDSA": True},
    "controllerManager": {
        "extraArgs": {
            # Each node's pods have fixed addresses (its conflist), so nobody must give out others.
            "allocate-node-cidrs": "false",
            # It starts with three requests for each of its controllers, and may ask 20 times a second by default.
            "kube-api-qps": "200",
            "kube-api-burst": "400",
            # It asks for its lease before it is allowed to, and would wait up to 4 s until it asks again.
            "leader-elect-retry-period": "1s",
        }
    },
}
_OWN_PATCHES: Patch = {"kind": "InitConfiguration", "patches": {"directory": "/kind/patches"}}
_NAME_SERVERS_FILE = "/kind/patches/corednsdeployment+strategic.json"
# Their first look at the API may come before the way to it is there; by default they are asked again after 10 s.
_NAME_SERVERS: Patch = {
    "spec": {"template": {"spec": {"containers": [{"name": "coredns", "readinessProbe": {"periodSeconds": 1}}]}}}
}
# Where there are several nodes, kind keeps pods away from the control plane; here it is a node like the others.
_NO_TAINT: Patch = {"kind": "InitConfiguration", "nodeRegistration": {"taints": []}}


@dataclass(frozen=True)
class NodePlan:
    """One node to be: what it is called, which pods live on it, and in which zone it is."""

    name: str
    role: str
    pods: str
    zone: str


@dataclass(frozen=True)
class NodeFile:
    """A file that a node sees: where it lies on this machine, where in the node, and what is in it."""

    path: Path
    inside: str
    text: str


def plan_nodes(sandbox: Sandbox, count: int) -> tuple[NodePlan, ...]:
    """Name the nodes as kind does, the control plane first."""
    return tuple(
        NodePlan(
            name=f"{sandbox.cluster}-{_suffix(number)}",
            role="worker" if number else "control-plane",
            pods=f"10.244.{number}.0/24",
            zone=_ZONES[number % len(_ZONES)],
        )
        for number in range(count)
    )


def kind_config(
    sandbox: Sandbox,
    images: Images,
    nodes: tuple[NodePlan, ...],
    cgroup_version: int,
    mounts: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Write the configuration for kind; ``mounts`` are folders that nodes see besides, to where they see them."""
    own = has_own_network(images)
    config: dict[str, Any] = {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": sandbox.cluster,
        "networking": {"apiServerAddress": "127.0.0.1", "disableDefaultCNI": own, "kubeProxyMode": "iptables"},
        "kubeadmConfigPatches": [_text(patch) for patch in _patches(own, several=len(nodes) > 1)],
        "nodes": [_node(sandbox, images, node, mounts) for node in nodes],
    }
    if own and cgroup_version == 1:
        # The kernel may refuse what the kubelet asks of it in a container; then it goes on without.
        config["featureGates"] = {"KubeletInUserNamespace": True}
    return f"# Made by j2k for kind (`kind create cluster`); changes are lost.\n{_text(config)}"


def has_own_network(images: Images) -> bool:
    """Tell whether the node image leaves the pods' network to us; the public one brings kindnet."""
    return images.node.source == "packages"


def cni_path(sandbox: Sandbox, node: NodePlan) -> Path:
    """Say where a node's conflist lies on this machine."""
    return sandbox.root.absolute() / "nodes" / f"{node.name}.conflist"


def node_files(sandbox: Sandbox, images: Images, node: NodePlan) -> tuple[NodeFile, ...]:
    """Give the files that a node sees, besides the exchange folder; none with the public node image."""
    if not has_own_network(images):
        return ()
    network = NodeFile(cni_path(sandbox, node), CNI_FILE, conflist(node))
    if node.role == "worker":
        return (network,)
    servers = sandbox.root.absolute() / "nodes" / "name-servers.json"
    return network, NodeFile(servers, _NAME_SERVERS_FILE, json.dumps(_NAME_SERVERS, indent=2) + "\n")


def conflist(node: NodePlan) -> str:
    """Write how containerd connects a node's pods."""
    ranges = {"type": "host-local", "dataDir": "/run/cni-ipam-state", "ranges": [[{"subnet": node.pods}]]}
    plugins = [
        {"type": "ptp", "ipMasq": True, "ipam": {**ranges, "routes": [{"dst": "0.0.0.0/0"}]}},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]
    return json.dumps({"cniVersion": "0.3.1", "name": "j2k", "plugins": plugins}, indent=2) + "\n"


def _suffix(number: int) -> str:
    if number == 0:
        return "control-plane"
    return "worker" if number == 1 else f"worker{number}"


def _patches(own: bool, *, several: bool) -> list[Patch]:  # noqa: FBT001 - private, named where it is made
    patches = [_KUBELET_CGROUPFS, _OWN_CONTROL_PLANE, _OWN_PATCHES] if own else []
    return [*patches, _NO_TAINT] if several else patches


def _node(sandbox: Sandbox, images: Images, node: NodePlan, mounts: Mapping[str, str]) -> dict[str, Any]:
    files = {str(file.path): file.inside for file in node_files(sandbox, images, node)}
    seen = {str(sandbox.exchange.absolute()): EXCHANGE, **mounts, **files}
    return {
        "role": node.role,
        "image": images.node.reference,
        "labels": {ZONE_LABEL: node.zone},
        "extraMounts": [{"hostPath": here, "containerPath": inside} for here, inside in seen.items()],
    }


def _text(value: dict[str, Any]) -> str:
    return str(yaml.safe_dump(value, sort_keys=False))
