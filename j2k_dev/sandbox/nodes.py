"""The nodes of the cluster from inside: what they are told once they run, and how they are."""

from __future__ import annotations

import io
import json
import re
import shlex
import tarfile
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from docker.errors import APIError, NotFound

from j2k_dev.model.codec import CodecError, from_plain, to_plain
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.sandbox.api import read_api
from j2k_dev.sandbox.model import EXCHANGE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from docker import DockerClient

    from j2k_dev.sandbox.inventory import Part

# kubectl as it lies in every control plane: it needs no kubeconfig of this machine.
KUBECTL = "kubectl --kubeconfig /etc/kubernetes/admin.conf"

_BIRTH = "/kind/j2k.json"
_KUBEADM = "/kind/kubeadm.conf"
_NODES = "/api/v1/nodes"
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_LEASE_SECONDS = 40.0
_ROUTES_UNIT = """\
[Unit]
Description=Routes to the pods on the other nodes
After=network.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh /etc/j2k-routes
[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class Birth:
    """Written into the control plane once the cluster is complete: one without it was never finished."""

    version: str
    nodes: int
    image: str
    network: str


@dataclass(frozen=True)
class Node:
    """What the cluster says of a node; ``renewed`` is when its kubelet was heard last, in seconds since the epoch."""

    name: str
    ready: bool
    address: str
    renewed: float


def ask_nodes(kubeconfig: Path) -> tuple[Node, ...] | None:
    """Ask the cluster for its nodes; None where it does not answer."""
    api = read_api(kubeconfig)
    try:
        return read_nodes(api.get(_NODES), api.get(_LEASES)) if api else None
    except MachineryFailed:
        return None


def read_nodes(nodes: Mapping[str, Any], leases: Mapping[str, Any]) -> tuple[Node, ...]:
    """Read the API's lists of nodes and of what their kubelets renew."""
    renewed = {item["metadata"]["name"]: _time(item["spec"]["renewTime"]) for item in leases["items"]}
    return tuple(_node(item, renewed) for item in nodes["items"])


def are_well(nodes: tuple[Node, ...] | None, count: int, since: float) -> bool:
    """Whether so many nodes are ready and have been heard since then."""
    return len([node for node in nodes or () if node.ready and node.renewed >= since]) >= count


def seen_token(client: DockerClient, control_plane: str, name: str) -> str:
    """Return the token that a node sees in the exchange folder; nothing where it sees none, or does not run."""
    try:
        return execute(client, control_plane, f"cat {EXCHANGE}/{name}")
    except MachineryFailed:
        return ""


def is_recent(now: float) -> float:
    """Say since when a kubelet must have been heard that is alive now."""
    return now - _LEASE_SECONDS


def wire(client: DockerClient, node: str, registry: str, hosts: str, routes: Mapping[str, str]) -> None:
    """Tell a node where the registry is, and the way to the pods of the other nodes (pods' range to address).

    It remembers both when it is started again.
    """
    environment = {"HOSTS": hosts, "ROUTES": _routes(routes), "UNIT": _ROUTES_UNIT}
    folder = shlex.quote(f"/etc/containerd/certs.d/{registry}")
    script = [
        "rm -rf /etc/containerd/certs.d/localhost:*",
        f"mkdir -p {folder}",
        f'printf %s "$HOSTS" > {folder}/hosts.toml',
    ]
    if routes:
        script += [
            'printf %s "$ROUTES" > /etc/j2k-routes',
            'printf %s "$UNIT" > /etc/systemd/system/j2k-routes.service',
            "systemctl enable --quiet j2k-routes",
            "systemctl restart j2k-routes",
        ]
    execute(client, node, "\n".join(script), environment)


def execute(client: DockerClient, container: str, script: str, environment: Mapping[str, str] | None = None) -> str:
    """Run a shell script in a container and return its stdout; raise MachineryFailed with its stderr."""
    command = ["sh", "-ec", script]
    try:
        started = client.api.exec_create(container, command, environment=dict(environment or {}))["Id"]
        stdout, stderr = client.api.exec_start(started, demux=True)
        code = client.api.exec_inspect(started)["ExitCode"]
    except APIError as error:
        raise MachineryFailed(f"{container} does not run: {error.explanation}", "run `j2k sandbox up`") from error
    if code:
        detail = f"$ docker exec {container} sh -ec {shlex.quote(script)}\n{(stderr or b'').decode(errors='replace')}"
        raise MachineryFailed(f"a command in {container} ended with {code}", "run `j2k sandbox up` again", detail)
    return (stdout or b"").decode(errors="replace")


# --- what nodes remember, running or not ------------------------------------------------------------------------------


def write_birth(client: DockerClient, control_plane: str, birth: Birth) -> None:
    """Say in the cluster that it is complete."""
    _write_file(client, control_plane, _BIRTH, json.dumps(to_plain(birth)))


def read_birth(client: DockerClient, control_plane: Part) -> Birth | None:
    """Read what a cluster was made as; None where it was never finished."""
    try:
        return from_plain(Birth, json.loads(_read_file(client, control_plane.name, _BIRTH)))
    except (NotFound, ValueError, CodecError):
        return None


def original_address(client: DockerClient, node: Part) -> str:
    """Read the address that a node had when it was made, which is written all over its configuration."""
    found = re.search(r"node-ip\W+(?:value\W+)?([\d.]+)", _read_file(client, node.name, _KUBEADM))
    if not found:
        raise MachineryFailed(f"{node.name} does not say its address", "`j2k sandbox down`, then `j2k sandbox up`")
    return found[1]


def write_token(mark: Path, token: str) -> None:
    """Mark the exchange folder, making it where there is none: nodes that see another one have lost their mount."""
    mark.parent.mkdir(parents=True, exist_ok=True)
    if not mark.is_file() or mark.read_text(encoding="utf-8") != token:
        mark.write_text(token, encoding="utf-8")


def _read_file(client: DockerClient, container: str, path: str) -> str:
    chunks, _stat = client.api.get_archive(container, path)
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        file = archive.extractfile(archive.getmembers()[0])
        return file.read().decode() if file else ""


def _write_file(client: DockerClient, container: str, path: str, text: str) -> None:
    folder, _, name = path.rpartition("/")
    info, content = tarfile.TarInfo(name), text.encode()
    info.size = len(content)
    with io.BytesIO() as packed:
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.addfile(info, io.BytesIO(content))
        client.api.put_archive(container, folder, packed.getvalue())


def _routes(routes: Mapping[str, str]) -> str:
    return "".join(f"ip route replace {pods} via {address}\n" for pods, address in routes.items())


def _node(item: Mapping[str, Any], renewed: Mapping[str, float]) -> Node:
    name, status = item["metadata"]["name"], item["status"]
    conditions = {one["type"]: one["status"] for one in status.get("conditions", ())}
    addresses = {one["type"]: one["address"] for one in status.get("addresses", ())}
    return Node(name, conditions.get("Ready") == "True", addresses.get("InternalIP", ""), renewed.get(name, 0.0))


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
