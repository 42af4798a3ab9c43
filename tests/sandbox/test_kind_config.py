"""The configuration for kind: readable, and only as unusual as the node image and the machine need."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from j2k_dev.sandbox.kind_config import CNI_FILE, cni_path, conflist, kind_config, plan_nodes
from j2k_dev.sandbox.model import EXCHANGE, Image, Images, Sandbox, Source

SANDBOX = Sandbox(Path("/home/ada/.j2k"))


def images(source: Source) -> Images:
    image = Image("some/image:1", "sha256:1", source)
    return Images(image, image, image, image, "v1.34.4", Path("/bin/kind"), Path("/bin/kubectl"))


def config(source: Source = "packages", nodes: int = 1, cgroup_version: int = 2) -> dict[str, Any]:
    text = kind_config(SANDBOX, images(source), plan_nodes(SANDBOX, nodes), cgroup_version)
    told = yaml.safe_load(text)
    assert isinstance(told, dict)
    return told


def patches(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    parsed = [yaml.safe_load(patch) for patch in told["kubeadmConfigPatches"]]
    return {patch["kind"]: patch for patch in parsed}


def registrations(told: dict[str, Any]) -> list[dict[str, Any]]:
    parsed = [yaml.safe_load(patch) for patch in told["kubeadmConfigPatches"]]
    return [patch["nodeRegistration"] for patch in parsed if "nodeRegistration" in patch]


def test_every_node_sees_the_exchange_folder() -> None:
    for node in config(nodes=3)["nodes"]:
        assert {"hostPath": "/home/ada/.j2k/exchange", "containerPath": EXCHANGE} in node["extraMounts"]


def test_every_node_of_a_twin_sees_the_account() -> None:
    text = kind_config(SANDBOX, images("packages"), plan_nodes(SANDBOX, 2), 2, {"/var/lib/account": "/cloud"})
    for node in yaml.safe_load(text)["nodes"]:
        assert {"hostPath": "/var/lib/account", "containerPath": "/cloud"} in node["extraMounts"]


def test_sandboxes_of_one_workspace_mark_their_exchange_folder_each_by_itself() -> None:
    assert SANDBOX.exchange == Sandbox(SANDBOX.workspace, "twin").exchange
    assert SANDBOX.token != Sandbox(SANDBOX.workspace, "twin").token


def test_the_api_is_on_loopback_only() -> None:
    assert config()["networking"]["apiServerAddress"] == "127.0.0.1"


def test_nodes_are_spread_over_zones() -> None:
    zones = [node["labels"]["topology.kubernetes.io/zone"] for node in config(nodes=3)["nodes"]]
    assert zones == ["a", "b", "c"]


def test_nodes_are_named_as_kind_names_them() -> None:
    cluster = SANDBOX.cluster
    names = [node.name for node in plan_nodes(SANDBOX, 3)]
    assert names == [f"{cluster}-control-plane", f"{cluster}-worker", f"{cluster}-worker2"]


def test_no_two_nodes_give_their_pods_the_same_addresses() -> None:
    assert len({node.pods for node in plan_nodes(SANDBOX, 5)}) == 5


def test_the_control_plane_takes_pods_beside_workers() -> None:
    assert registrations(config(nodes=3)) == [{"taints": []}]
    assert registrations(config(nodes=1)) == []  # kind sees to it itself


def test_the_public_node_image_keeps_its_own_network() -> None:
    told = config("registry", nodes=2)
    assert not told["networking"]["disableDefaultCNI"]
    assert all(mount["containerPath"] != CNI_FILE for node in told["nodes"] for mount in node["extraMounts"])
    assert patches(told).keys() == {"InitConfiguration"}


def test_our_node_image_is_connected_by_us() -> None:
    told = config("packages")
    mount = {"hostPath": str(cni_path(SANDBOX, plan_nodes(SANDBOX, 1)[0])), "containerPath": CNI_FILE}
    assert told["networking"]["disableDefaultCNI"]
    assert mount in told["nodes"][0]["extraMounts"]
    manager = patches(told)["ClusterConfiguration"]["controllerManager"]["extraArgs"]
    assert manager["allocate-node-cidrs"] == "false"
    assert all(isinstance(value, str) for value in manager.values()), "kubeadm takes nothing else"


def test_the_control_plane_sees_how_name_servers_are_changed() -> None:
    told = config("packages", nodes=2)
    folder = patches(config("packages"))["InitConfiguration"]["patches"]["directory"]
    seen = [[mount["containerPath"].rpartition("/")[0] for mount in node["extraMounts"]] for node in told["nodes"]]
    assert [folder in folders for folders in seen] == [True, False]


@pytest.mark.parametrize(
    ("source", "cgroup_version", "needed"), [("packages", 1, True), ("packages", 2, False), ("registry", 1, False)]
)
def test_the_kubelet_is_lenient_only_where_it_has_to_be(source: Source, cgroup_version: int, needed: bool) -> None:
    gates = config(source, cgroup_version=cgroup_version).get("featureGates", {})
    assert gates == ({"KubeletInUserNamespace": True} if needed else {})


def test_a_nodes_pods_get_addresses_of_that_node() -> None:
    node = plan_nodes(SANDBOX, 2)[1]
    ptp = json.loads(conflist(node))["plugins"][0]
    assert ptp["ipam"]["ranges"] == [[{"subnet": "10.244.1.0/24"}]]
    assert node.pods == "10.244.1.0/24"
