"""What runs in the cluster: shared volumes, the registry, the broker, and nodes that go away."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING, Any, cast

import pytest
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic

from j2k_dev.sandbox.nodes import execute
from tests.cluster import objects
from tests.cluster.handle import read_all
from tests.cluster.python_image import make_python_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_kubernetes.providers import AClusterManager

    from j2k_dev.sandbox.model import SandboxState
    from tests.cluster.handle import Handle

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


def apply(k8s: AClusterManager, folder: Path, *parts: objects.Object) -> None:
    file = folder / "objects.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(parts)}))
    k8s.apply(file)


def push(wide: Handle, state: SandboxState, image: str, name: str) -> str:
    """Push an image of this engine to the sandbox's registry; return what the cluster calls it."""
    reference = f"{state.registry}/{name}:1"
    wide.client.images.get(image).tag(reference)
    try:
        told = wide.client.images.push(reference, stream=True, decode=True)
        errors = [line["error"] for line in told if "error" in line]
    finally:
        wide.client.images.remove(reference)
    assert errors == []
    return reference


def pods(k8s: AClusterManager, app: str) -> list[dict[str, Any]]:
    told = cast("dict[str, Any]", k8s.kubectl(["get", "pods", "-l", f"app={app}"]))
    return [pod for pod in told["items"] if "deletionTimestamp" not in pod["metadata"]]


def make_topic(state: SandboxState, name: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=state.kafka)
    admin.create_topics([NewTopic(name, 1, 1)])
    admin.close()


@pytest.fixture(scope="module")
def python(wide: Handle) -> Iterator[str]:
    """Python with kafka-python, in the registry."""
    name = "j2k-tests/python"
    make_python_image(wide.client, name)
    yield push(wide, wide.up(), name, "python")
    wide.client.images.remove(name)


@pytest.fixture(scope="module")
def server(wide: Handle) -> str:
    """A small image that speaks HTTP, in the registry."""
    return push(wide, wide.up(), wide.images.registry.reference, "server")


def test_nodes_are_in_zones_of_their_own_and_all_take_pods(k8s: AClusterManager) -> None:
    told = cast("dict[str, Any]", k8s.kubectl(["get", "nodes"]))
    zones = {node["metadata"]["labels"]["topology.kubernetes.io/zone"] for node in told["items"]}
    assert zones == {"a", "b", "c"}
    assert not any(node["spec"].get("taints") for node in told["items"])


def test_three_replicas_share_the_exchange_folder_with_this_machine(
    wide: Handle, k8s: AClusterManager, python: str, tmp_path: Path
) -> None:
    node = f"{wide.sandbox.cluster}-control-plane"
    apply(k8s, tmp_path, *objects.shared_volume("shared", node), objects.writers("writers", python, "shared"))
    k8s.wait("deployment/writers", "condition=Available", timeout=180)
    running = pods(k8s, "writers")
    assert {pod["spec"]["nodeName"] for pod in running} == {node}
    assert len(running) == 3
    for pod in running:
        assert (wide.sandbox.exchange / pod["metadata"]["name"]).read_text() == "here\n"
    k8s.kubectl(["delete", "deployment", "writers"], as_dict=False)


def test_a_pod_produces_and_this_machine_consumes(
    k8s: AClusterManager, state: SandboxState, python: str, tmp_path: Path
) -> None:
    make_topic(state, "from-a-pod")
    apply(k8s, tmp_path, objects.producer("producer", python, "from-a-pod"))
    k8s.wait("job/producer", "condition=Complete", timeout=180)
    assert read_all(state.kafka, "from-a-pod", 2) == ["direct", "proxied"]
    assert read_all(state.kafka_proxied, "from-a-pod", 2) == ["direct", "proxied"]


def test_the_proxy_can_cut_the_broker_off(state: SandboxState) -> None:
    make_topic(state, "cut")

    def switch(*, on: bool) -> None:
        body = json.dumps({"enabled": on}).encode()
        urllib.request.urlopen(urllib.request.Request(f"{state.proxy}/proxies/kafka-host", body)).close()

    producer = KafkaProducer(bootstrap_servers=state.kafka)
    producer.send("cut", b"one").get(10)
    producer.close()
    switch(on=False)
    try:
        assert read_all(state.kafka, "cut", 1) == ["one"]
        with pytest.raises(Exception, match=r"NoBrokersAvailable|Connect|Timeout|Bootstrap"):
            read_all(state.kafka_proxied, "cut", 1, seconds=2)
    finally:
        switch(on=True)
    assert read_all(state.kafka_proxied, "cut", 1) == ["one"]


def test_what_was_pushed_can_be_listed_and_deleted(wide: Handle, state: SandboxState) -> None:
    push(wide, state, wide.images.proxy.reference, "short-lived")
    accept = {"Accept": "application/vnd.docker.distribution.manifest.v2+json"}
    manifests = f"http://{state.registry}/v2/short-lived/manifests"
    with urllib.request.urlopen(urllib.request.Request(f"{manifests}/1", headers=accept)) as told:
        digest = told.headers["Docker-Content-Digest"]
    with urllib.request.urlopen(urllib.request.Request(f"{manifests}/{digest}", method="DELETE")) as told:
        assert told.status == 202


def test_pods_reach_each_other_across_nodes(wide: Handle, k8s: AClusterManager, server: str, tmp_path: Path) -> None:
    apply(k8s, tmp_path, objects.servers("across", server, 3))
    k8s.wait("deployment/across", "condition=Available", timeout=180)
    running = pods(k8s, "across")
    assert len({pod["spec"]["nodeName"] for pod in running}) == 3
    for node in {pod["spec"]["nodeName"] for pod in running}:
        for pod in running:
            url = f"http://{pod['status']['podIP']}:5000/v2/"
            assert execute(wide.client, node, f"curl -sf -m 5 {url}") == "{}"
    k8s.kubectl(["delete", "deployment", "across"], as_dict=False)


def test_a_drained_nodes_pods_move_and_the_service_goes_on(
    wide: Handle, k8s: AClusterManager, server: str, tmp_path: Path
) -> None:
    apply(k8s, tmp_path, objects.servers("drained", server, 3), objects.budget("drained"))
    k8s.wait("deployment/drained", "condition=Available", timeout=180)
    node = f"{wide.sandbox.cluster}-worker2"
    assert node in {pod["spec"]["nodeName"] for pod in pods(k8s, "drained")}
    k8s.kubectl(
        ["drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s"], as_dict=False, timeout=150
    )
    k8s.kubectl(["rollout", "status", "deployment/drained", "--timeout=120s"], as_dict=False, timeout=150)
    left = pods(k8s, "drained")
    assert len(left) == 3
    assert node not in {pod["spec"]["nodeName"] for pod in left}
    k8s.kubectl(["uncordon", node], as_dict=False)
    k8s.kubectl(["delete", "deployment,pdb", "drained"], as_dict=False)


def test_nothing_is_lost_when_the_broker_is_killed(wide: Handle, state: SandboxState) -> None:
    make_topic(state, "survives")
    producer = KafkaProducer(bootstrap_servers=state.kafka, transactional_id="survives")
    producer.init_transactions()
    producer.begin_transaction()
    for number in range(100):
        producer.send("survives", str(number).encode())
    producer.commit_transaction()
    producer.close()
    wide.container("kafka").kill()
    again = wide.up()
    assert again.kafka == state.kafka
    assert read_all(again.kafka, "survives", 100) == [str(number) for number in range(100)]


def test_a_restarted_node_finds_its_way_to_the_others(
    wide: Handle, k8s: AClusterManager, state: SandboxState, server: str, tmp_path: Path
) -> None:
    node = f"{wide.sandbox.cluster}-worker"
    wide.client.containers.get(node).stop(timeout=10)
    wide.up()
    apply(k8s, tmp_path, objects.servers("returned", server, 3))
    k8s.wait("deployment/returned", "condition=Available", timeout=180)
    for pod in pods(k8s, "returned"):
        assert execute(wide.client, node, f"curl -sf -m 5 http://{pod['status']['podIP']}:5000/v2/") == "{}"
    k8s.kubectl(["delete", "deployment", "returned"], as_dict=False)
