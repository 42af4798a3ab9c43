"""Up, again, after every mishap, and down without a trace."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic

from j2k_dev.model.codec import to_plain
from j2k_dev.model.errors import BadInput, MachineryFailed
from j2k_dev.sandbox.cluster import CREATE_LOG
from j2k_dev.sandbox.commands import SystemRunner
from j2k_dev.sandbox.inventory import CONTROL_PLANE, look, nodes_of
from j2k_dev.sandbox.nodes import execute
from j2k_dev.sandbox.state import kinds_own_lock
from j2k_dev.sandbox.status import sandbox_status
from j2k_dev.sandbox.up import bring_up
from j2k_dev.sandbox.waiting import answers, wait_until
from tests.cluster.handle import Handle, Said, read_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from docker import DockerClient

    from j2k_dev.sandbox.model import Images, SandboxState

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def home(make_handle: Callable[[Path], Handle], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handle]:
    handle = make_handle(tmp_path_factory.mktemp("home") / ".j2k")
    handle.up()
    yield handle
    handle.down()


@pytest.fixture
def before(home: Handle) -> SandboxState:
    """What the sandbox tells, all of it well."""
    return home.up()


def everything(client: DockerClient) -> set[str]:
    """Name all containers, networks and volumes of the engine, those without names of their own too."""
    containers = {f"container {container.name}" for container in client.containers.list(all=True)}
    networks = {f"network {network.name}" for network in client.networks.list()}
    return containers | networks | {f"volume {volume.name}" for volume in client.volumes.list()}


def same_place(one: SandboxState, other: SandboxState) -> bool:
    """Whether clients of the one find the other."""
    places = [(state.registry, state.kafka, state.kafka_proxied, state.proxy, state.context) for state in (one, other)]
    return places[0] == places[1]


def is_well(home: Handle) -> bool:
    return sandbox_status(home.sandbox, home.client).up


def test_a_sandbox_that_is_up_says_so(home: Handle, before: SandboxState) -> None:
    said = Said()
    again = home.up(said=said)
    assert said.notes == ["the sandbox is up already"]
    assert said.steps == []
    assert same_place(again, before)


def test_every_part_tells_where_it_is(home: Handle, before: SandboxState) -> None:
    status = sandbox_status(home.sandbox, home.client)
    assert {part.role: part.state for part in status.parts} == {
        CONTROL_PLANE: "running",
        "registry": "running",
        "kafka": "running",
        "proxy": "running",
    }
    addresses = {part.role: part.address for part in status.parts}
    assert addresses["registry"] == before.registry
    assert addresses["kafka"] == before.kafka


def test_the_configuration_and_the_kubeconfig_are_the_workspaces_own(home: Handle, before: SandboxState) -> None:
    assert "kind: Cluster" in home.sandbox.kind_config.read_text()
    assert before.kubeconfig == str(home.sandbox.kubeconfig)
    assert home.sandbox.kubeconfig.stat().st_mode & 0o077 == 0


def test_the_number_of_nodes_stays(home: Handle, before: SandboxState) -> None:
    with pytest.raises(BadInput, match="1 node, not 2"):
        home.up(nodes=2)
    assert is_well(home)


def test_where_its_images_are_from_stays(home: Handle, before: SandboxState) -> None:
    with pytest.raises(BadInput, match="made with --images packages"):
        bring_up(home.sandbox, home.images, None, home.client, SystemRunner(), Said(), source="registry")
    assert is_well(home)


def test_of_two_at_once_the_second_waits_and_finds_it_up(home: Handle, before: SandboxState) -> None:
    home.container("registry").remove(force=True, v=True)
    said = (Said(), Said())
    with ThreadPoolExecutor(2) as pool:
        states = list(pool.map(lambda one: home.up(said=one), said))
    assert same_place(*states)
    assert same_place(states[0], before)
    notes = [note for one in said for note in one.notes]
    assert len([note for note in notes if note.startswith("waiting for process")]) == 1
    assert notes.count("the sandbox is up already") == 1


@pytest.mark.parametrize("role", ["registry", "kafka", "proxy"])
def test_a_part_that_is_gone_is_made_anew_in_the_same_place(home: Handle, before: SandboxState, role: str) -> None:
    home.container(role).remove(force=True, v=True)
    assert not is_well(home)
    assert same_place(home.up(), before)
    assert is_well(home)


def test_a_paused_broker_is_replaced(home: Handle, before: SandboxState) -> None:
    home.container("kafka").pause()
    assert same_place(home.up(), before)
    assert is_well(home)


def test_a_port_that_was_taken_meanwhile_is_replaced(home: Handle, before: SandboxState) -> None:
    home.container("registry").remove(force=True, v=True)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", int(before.registry.rpartition(":")[2])))
        other.listen()
        again = home.up()
    assert again.registry != before.registry
    assert answers(f"http://{again.registry}/v2/")
    folder = f"/etc/containerd/certs.d/{again.registry}"
    assert home.sandbox.container("registry") in execute(home.client, control_plane(home), f"cat {folder}/hosts.toml")


@pytest.mark.parametrize("damage", ["lost", "cut"])
def test_what_it_told_of_itself_can_be_lost(home: Handle, before: SandboxState, damage: str) -> None:
    if damage == "lost":
        home.sandbox.state.unlink()
    else:
        home.sandbox.state.write_text(home.sandbox.state.read_text()[:100])
    assert same_place(home.up(), before)
    assert json.loads(home.sandbox.state.read_text())["registry"] == before.registry


def test_all_its_files_can_be_lost(home: Handle, before: SandboxState) -> None:
    shutil.rmtree(home.sandbox.root)
    shutil.rmtree(home.sandbox.exchange)
    assert same_place(home.up(), before)
    (home.sandbox.exchange / "seen").write_text("yes")
    assert execute(home.client, control_plane(home), "cat /exchange/seen") == "yes"
    assert home.sandbox.kubeconfig.is_file()


def test_it_comes_back_after_the_machine_was_restarted(home: Handle, before: SandboxState) -> None:
    topic = "reboot"
    admin = KafkaAdminClient(bootstrap_servers=before.kafka)
    admin.create_topics([NewTopic(topic, 1, 1)])
    admin.close()
    producer = KafkaProducer(bootstrap_servers=before.kafka)
    producer.send(topic, b"still here").get(10)
    producer.close()
    for part in look(home.client, home.sandbox):
        home.client.api.kill(part.name)
    start_elsewhere(home)
    said = Said()
    again = home.up(said=said)
    assert same_place(again, before)
    assert said.notes == []
    assert read_all(again.kafka, topic, 1) == ["still here"]


def start_elsewhere(home: Handle) -> None:
    """Start the node under another address, as may happen when Docker starts everything at once."""
    other = home.client.containers.create(
        home.images.registry.reference, network=home.sandbox.network, labels=home.sandbox.labels
    )
    network = home.client.networks.get(home.sandbox.network)
    network.disconnect(control_plane(home), force=True)
    network.connect(control_plane(home))
    try:
        other.start()
        home.client.api.start(control_plane(home))
    finally:
        other.remove(force=True, v=True)


def test_a_cluster_that_was_never_finished_is_made_anew(home: Handle, before: SandboxState) -> None:
    execute(home.client, control_plane(home), "rm /kind/j2k.json")
    home.sandbox.state.unlink()
    said = Said()
    home.up(said=said)
    assert any("never finished" in note for note in said.notes)
    assert is_well(home)


def test_a_cluster_of_an_older_version_is_made_anew(home: Handle, before: SandboxState) -> None:
    script = """sed -i 's/"version": "[^"]*"/"version": "0.0.1"/' /kind/j2k.json"""
    execute(home.client, control_plane(home), script)
    home.sandbox.state.unlink()
    said = Said()
    home.up(said=said)
    assert any("made by j2k 0.0.1" in note for note in said.notes)
    assert is_well(home)


def test_nothing_is_left_after_a_kill_in_the_middle_and_down(
    make_handle: Callable[[Path], Handle], engine: DockerClient, tmp_path: Path
) -> None:
    clean = everything(engine)
    handle = make_handle(tmp_path / ".j2k")
    with start_up(handle.sandbox.workspace, handle.images) as process:

        def begun() -> bool:
            assert process.poll() is None, "it was done before it could be killed"
            return bool(nodes_of(look(engine, handle.sandbox)))

        wait_until(begun, 120, lambda: MachineryFailed("no node was begun"), threading.Event())
        process.send_signal(signal.SIGKILL)
    said = Said()
    handle.up(said=said)
    assert any("interrupted" in note for note in said.notes)
    handle.down()
    assert everything(engine) - clean == set()
    assert list((tmp_path / ".j2k").iterdir()) == []


def test_an_interrupt_in_the_middle_ends_everything_and_down_leaves_nothing(
    make_handle: Callable[[Path], Handle], engine: DockerClient, tmp_path: Path
) -> None:
    clean = everything(engine)
    handle = make_handle(tmp_path / ".j2k")
    with start_up(handle.sandbox.workspace, handle.images) as process:
        wait_for_a_node(handle)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=120)
    with kinds_own_lock(handle.sandbox) as held:
        assert held is not None, "kind goes on"
    assert not sandbox_status(handle.sandbox, engine).up
    handle.down()
    assert everything(engine) - clean == set()


@pytest.mark.parametrize("retain", [False, True])
def test_what_kind_could_not_finish_is_told_and_stays_only_where_that_is_asked_for(
    make_handle: Callable[[Path], Handle], tmp_path: Path, retain: bool
) -> None:
    handle = make_handle(tmp_path / ".j2k")
    with ThreadPoolExecutor(1) as pool:
        killed = pool.submit(kill_a_node, handle)
        with pytest.raises(MachineryFailed, match="kind ended with 1") as failure:
            bring_up(handle.sandbox, handle.images, 1, handle.client, SystemRunner(), Said(), retain=retain)
    log = str(handle.sandbox.logs / CREATE_LOG)
    assert log in failure.value.way_out
    assert "kind create cluster" in failure.value.detail
    assert "Creating cluster" in Path(log).read_text()
    left = [node.name for node in nodes_of(look(handle.client, handle.sandbox))]
    assert left == ([killed.result()] if retain else [])
    handle.down()
    assert look(handle.client, handle.sandbox) == ()


def kill_a_node(handle: Handle) -> str:
    """Kill the first node as soon as it runs; return its name."""
    name = wait_for_a_node(handle)
    handle.client.api.kill(name)
    return name


def wait_for_a_node(handle: Handle) -> str:
    def running() -> bool:
        return any(node.running for node in nodes_of(look(handle.client, handle.sandbox)))

    wait_until(running, 120, lambda: MachineryFailed("no node was begun"), threading.Event())
    return nodes_of(look(handle.client, handle.sandbox))[0].name


def start_up(workspace: Path, images: Images) -> subprocess.Popen[bytes]:
    """Bring a sandbox up in a process of its own."""
    script = """
import json, sys
from pathlib import Path
from j2k_dev.model.codec import from_plain
from j2k_dev.sandbox.commands import SystemRunner
from j2k_dev.sandbox.docker_engine.engine import connect
from j2k_dev.sandbox.model import Image, Images, Sandbox
from j2k_dev.sandbox.up import bring_up
from tests.cluster.handle import Said
plain = json.loads(sys.argv[2])
paths = {name: Path(plain.pop(name)) for name in ("kind", "kubectl")}
kubernetes = plain.pop("kubernetes")
parts = {name: from_plain(Image, image) for name, image in plain.items()}
images = Images(**parts, kubernetes=kubernetes, **paths)
bring_up(Sandbox(Path(sys.argv[1])), images, 1, connect(), SystemRunner(), Said())
"""
    plain: dict[str, Any] = {
        **{role: to_plain(getattr(images, role)) for role in ("node", "registry", "kafka", "proxy")},
        "kubernetes": images.kubernetes,
        "kind": str(images.kind),
        "kubectl": str(images.kubectl),
    }
    return subprocess.Popen([sys.executable, "-c", script, str(workspace), json.dumps(plain)])


def control_plane(home: Handle) -> str:
    return f"{home.sandbox.cluster}-{CONTROL_PLANE}"
