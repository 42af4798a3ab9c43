"""The kind cluster: made, brought back after its nodes were stopped, removed."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from docker.errors import APIError

from j2k_dev import __version__
from j2k_dev.engine.workspace import write_text
from j2k_dev.model.errors import BadInput, MachineryFailed
from j2k_dev.sandbox.api import read_api
from j2k_dev.sandbox.commands import Command
from j2k_dev.sandbox.containers import remove_container
from j2k_dev.sandbox.inventory import CONTROL_PLANE, look, nodes_of, of_role
from j2k_dev.sandbox.kind_config import has_own_network, kind_config, node_files, plan_nodes
from j2k_dev.sandbox.model import KAFKA_PROXIED_SERVICE, KAFKA_SERVICE
from j2k_dev.sandbox.nodes import (
    KUBECTL,
    Birth,
    are_well,
    ask_nodes,
    execute,
    original_address,
    read_birth,
    seen_token,
    wire,
    write_birth,
)
from j2k_dev.sandbox.state import kinds_own_lock
from j2k_dev.sandbox.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from docker import DockerClient

    from j2k_dev.sandbox.api import Api
    from j2k_dev.sandbox.commands import Runner
    from j2k_dev.sandbox.inventory import Part
    from j2k_dev.sandbox.kind_config import NodePlan
    from j2k_dev.sandbox.model import Images, Sandbox
    from j2k_dev.sandbox.network import Subnet

CREATE_LOG = "kind-create.log"

_CREATE_SECONDS = 600.0
_READY_SECONDS = 180.0
_READY_POLL_SECONDS = 0.2
_EXPORT_SECONDS = 60.0
_ORPHAN_SECONDS = 60.0
_STOP_SECONDS = 10
_SERVICE_ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"
_NAME_SERVERS = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"


# --- which cluster is there -------------------------------------------------------------------------------------------


def find_birth(client: DockerClient, parts: tuple[Part, ...]) -> Birth | None:
    """Read what the cluster that is there was made as; None where there is none, or where it was never finished."""
    control_plane = of_role(parts, CONTROL_PLANE)
    return read_birth(client, control_plane) if control_plane else None


def why_unusable(parts: tuple[Part, ...], birth: Birth | None, images: Images, subnet: Subnet) -> str:
    """Say why the cluster that is there can't be kept; nothing where it can, or where there is none."""
    nodes = nodes_of(parts)
    if not nodes:
        return ""
    if birth is None:
        return "the cluster was never finished: what made it was interrupted"
    if birth.version != __version__:
        return f"the cluster was made by j2k {birth.version}, this is {__version__}"
    if len(nodes) < birth.nodes:
        return f"{birth.nodes - len(nodes)} of the cluster's {birth.nodes} nodes are gone"
    if birth.image != images.node.digest:
        return "the cluster was made from another node image"
    return "" if birth.network == subnet.cidr else "the cluster's network was removed"


def check_count(have: int, wanted: int | None) -> None:
    """Refuse to change the number of nodes of a cluster that is there."""
    if have and wanted is not None and wanted != have:
        raise BadInput(
            f"the cluster has {have} node{'s' * (have > 1)}, not {wanted}: that can't be changed afterwards",
            way_out=f"`j2k sandbox down`, then `j2k sandbox up --nodes {wanted}`; or leave --nodes out",
        )


# --- making and mending -----------------------------------------------------------------------------------------------


def create_cluster(
    sandbox: Sandbox,
    images: Images,
    count: int,
    client: DockerClient,
    runner: Runner,
    *,
    retain: bool,
    mounts: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Make the cluster through kind, up to where its API answers; leave none behind where that fails.

    ``mounts`` are folders that nodes see besides, to where they see them.
    """
    plan = plan_nodes(sandbox, count)
    write_node_files(sandbox, images, plan)
    cgroup_version = int(client.info().get("CgroupVersion") or 1)
    write_text(sandbox.kind_config, kind_config(sandbox, images, plan, cgroup_version, mounts))
    log = sandbox.logs / CREATE_LOG
    log.unlink(missing_ok=True)
    # With --retain kind itself removes nothing: one that outlived a killed j2k must not remove the next one's nodes.
    words: list[str | Path] = [images.kind, "create", "cluster", "--config", sandbox.kind_config, "--retain"]
    try:
        with kinds_own_lock(sandbox) as held:
            command = Command(
                arguments=[*words, "--kubeconfig", sandbox.kubeconfig],
                environment={"KIND_EXPERIMENTAL_DOCKER_NETWORK": sandbox.network},
                log=log,
                timeout=_CREATE_SECONDS,
                descriptors=() if held is None else (held,),
            )
            runner.run(command, way_out=f"see {log}; `j2k sandbox up --retain` keeps the half-made cluster")
    except MachineryFailed:
        _keep_logs(sandbox, images, runner)
        if not retain:
            remove_cluster(client, look(client, sandbox))
        raise


def mend_cluster(sandbox: Sandbox, images: Images, client: DockerClient, runner: Runner, *, restart: bool) -> bool:
    """Bring the nodes back, each under its own address; ``restart`` those that run, too (they lost their mounts).

    Return whether any had to be started.
    """
    nodes = nodes_of(look(client, sandbox))
    addresses = {node.name: original_address(client, node) for node in nodes}
    _release(client, sandbox, [node for node in nodes if restart or node.address != addresses[node.name]])
    started = [_start(client, sandbox, node, addresses[node.name]) for node in nodes_of(look(client, sandbox))]
    if read_api(sandbox.kubeconfig) is None:
        sandbox.kubeconfig.unlink(missing_ok=True)
        words: list[str | Path] = [images.kind, "export", "kubeconfig", "--name", sandbox.cluster]
        runner.run(
            Command([*words, "--kubeconfig", sandbox.kubeconfig]), way_out="`j2k sandbox down`, then `j2k sandbox up`"
        )
    return any(started)


def wait_for_nodes(
    sandbox: Sandbox, count: int, client: DockerClient, since: float, token: str, stop: threading.Event
) -> None:
    """Wait until every node is ready, was heard after ``since``, and sees our exchange folder."""

    def well() -> bool:
        nodes = ask_nodes(sandbox.kubeconfig)
        return are_well(nodes, count, since) and seen_token(client, _control_plane(sandbox), sandbox.token) == token

    wait_until(well, _READY_SECONDS, partial(_late, sandbox, client), stop, _READY_POLL_SECONDS)


def connect_cluster(sandbox: Sandbox, images: Images, client: DockerClient, registry: str, hosts: str) -> None:
    """Connect the nodes with each other and with what is beside them; ``hosts`` leads them to the registry."""
    nodes = nodes_of(look(client, sandbox))
    pods = {node.name: node.pods for node in plan_nodes(sandbox, len(nodes))} if has_own_network(images) else {}
    for node in nodes:
        others = {pods[other.name]: other.address for other in nodes if pods and other is not node}
        wire(client, node.name, registry, hosts, others)
    api = _api(sandbox)
    for path, wanted in _services(sandbox).items():
        api.apply(path, wanted)


def complete_cluster(sandbox: Sandbox, birth: Birth, client: DockerClient, stop: threading.Event) -> None:
    """Wait until pods may be made and find others by name, and say in the cluster that it is complete."""
    wait_until(
        partial(_takes_pods, _api(sandbox)),
        _READY_SECONDS,
        partial(_late, sandbox, client),
        stop,
        _READY_POLL_SECONDS,
    )
    write_birth(client, _control_plane(sandbox), birth)


def end_orphan(sandbox: Sandbox, client: DockerClient, note: Callable[[str], None]) -> None:
    """End a kind that outlived its j2k: without its nodes it fails, and nothing of it must come after us."""
    with kinds_own_lock(sandbox) as held:
        if held is not None:
            return
    note("a cluster that an interrupted command is still making is removed")

    def ended() -> bool:
        with kinds_own_lock(sandbox) as held:
            if held is None:
                remove_cluster(client, look(client, sandbox))
            return held is not None

    def stuck() -> MachineryFailed:
        told = f"a kind that an interrupted j2k had started did not end within {_ORPHAN_SECONDS:g} seconds"
        return MachineryFailed(told, "end it, then run the same command again", detail="$ pgrep -af 'kind create'")

    wait_until(ended, _ORPHAN_SECONDS, stuck, threading.Event(), _READY_POLL_SECONDS)


def remove_cluster(client: DockerClient, parts: tuple[Part, ...]) -> None:
    """Remove all nodes, with their volumes."""
    for node in nodes_of(parts):
        remove_container(client, node.name)


def write_node_files(sandbox: Sandbox, images: Images, plan: tuple[NodePlan, ...]) -> None:
    """Write the files that nodes see: where one is lost, its node neither starts nor can be looked into."""
    for file in (file for node in plan for file in node_files(sandbox, images, node)):
        if not file.path.is_file() or file.path.read_text(encoding="utf-8") != file.text:
            write_text(file.path, file.text)


# --- the steps --------------------------------------------------------------------------------------------------------


def _release(client: DockerClient, sandbox: Sandbox, nodes: list[Part]) -> None:
    """Stop nodes and take their addresses away, all before any is given out again: they may be each other's."""
    network = client.networks.get(sandbox.network)
    for node in nodes:
        if node.state == "paused":
            client.api.unpause(node.name)
        client.api.stop(node.name, timeout=_STOP_SECONDS)
        with suppress(APIError):  # not connected any more
            network.disconnect(node.name, force=True)


def _start(client: DockerClient, sandbox: Sandbox, node: Part, address: str) -> bool:
    """Start a node that does not run; return whether it had to be."""
    if node.state == "paused":
        client.api.unpause(node.name)
    if node.state in ("running", "paused"):
        return node.state == "paused"
    with suppress(APIError):  # not connected any more
        client.networks.get(sandbox.network).disconnect(node.name, force=True)
    client.networks.get(sandbox.network).connect(node.name, ipv4_address=address)
    try:
        client.api.start(node.name)
    except APIError as error:
        way_out = "free the port or address that it names, or `j2k sandbox down`, then `j2k sandbox up`"
        raise MachineryFailed(f"{node.name} did not start: {error.explanation}", way_out) from error
    return True


def _takes_pods(api: Api) -> bool:
    """Whether pods are accepted (their service account is there) and find others by name."""
    try:
        api.get(_SERVICE_ACCOUNT)
        return bool(api.get(_NAME_SERVERS)["status"].get("availableReplicas"))
    except MachineryFailed:
        return False


def _api(sandbox: Sandbox) -> Api:
    api = read_api(sandbox.kubeconfig)
    if api is None:
        way_out = "run the same command again: it writes the file anew"
        raise MachineryFailed(f"the kubeconfig {sandbox.kubeconfig} can't be read", way_out)
    return api


def _control_plane(sandbox: Sandbox) -> str:
    return f"{sandbox.cluster}-{CONTROL_PLANE}"


def _services(sandbox: Sandbox) -> dict[str, dict[str, Any]]:
    """Name the broker and its proxy in the cluster as they are named in production; each object by its path."""
    service, namespace = KAFKA_SERVICE.split(".")[:2]
    proxied = KAFKA_PROXIED_SERVICE.split(".")[0]
    home = f"/api/v1/namespaces/{namespace}"
    return {home: _object("Namespace", {"name": namespace})} | {
        f"{home}/services/{name}": _object(
            "Service",
            {"name": name, "namespace": namespace},
            spec={"type": "ExternalName", "externalName": sandbox.container(role)},
        )
        for name, role in {service: "kafka", proxied: "proxy"}.items()
    }


def _object(kind: str, metadata: dict[str, Any], **rest: Any) -> dict[str, Any]:
    labels = {"app.kubernetes.io/managed-by": "j2k"}
    return {"apiVersion": "v1", "kind": kind, "metadata": {**metadata, "labels": labels}, **rest}


def _keep_logs(sandbox: Sandbox, images: Images, runner: Runner) -> None:
    """Ask kind for the logs of what it could not finish; without them the failure is told all the same."""
    with suppress(MachineryFailed):
        words: list[str | Path] = [images.kind, "export", "logs", "--name", sandbox.cluster]
        runner.run(Command([*words, sandbox.logs / "kind"], timeout=_EXPORT_SECONDS))


def _late(sandbox: Sandbox, client: DockerClient) -> MachineryFailed:
    told = f"the cluster was not ready within {_READY_SECONDS:g} seconds"
    detail = _what_is(client, _control_plane(sandbox))
    return MachineryFailed(told, "`j2k sandbox down`, then `j2k sandbox up`", detail=detail)


def _what_is(client: DockerClient, control_plane: str) -> str:
    script = f"{KUBECTL} --request-timeout=5s get nodes,pods -A -o wide"
    try:
        return f"$ docker exec {control_plane} {script}\n{execute(client, control_plane, script)}"
    except MachineryFailed as error:
        return error.detail


def now() -> float:
    """Return the time from which on kubelets must have been heard, in whole seconds as leases are written."""
    return float(int(time.time()))
