"""Making the cluster through kind: what kind is asked, and what is left when it fails. Without Docker."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from j2k_dev import __version__
from j2k_dev.model.errors import BadInput, MachineryFailed
from j2k_dev.sandbox.cluster import check_count, create_cluster, why_unusable
from j2k_dev.sandbox.inventory import Part
from j2k_dev.sandbox.model import Image, Images, Sandbox
from j2k_dev.sandbox.network import Subnet
from j2k_dev.sandbox.nodes import Birth

if TYPE_CHECKING:
    from docker import DockerClient

    from j2k_dev.sandbox.commands import Command

IMAGE = Image("j2k/node:1", "sha256:1", "packages")
IMAGES = Images(IMAGE, IMAGE, IMAGE, IMAGE, "v1.34.4", Path("/bin/kind"), Path("/bin/kubectl"))


@dataclass
class FakeKind:
    """Stands in for programs: keeps what was run, and fails where it is told to."""

    fails: str = ""
    ran: list[Command] = field(default_factory=list)

    def run(self, command: Command, way_out: str = "") -> str:
        self.ran.append(command)
        if self.fails and self.fails in str(command):
            raise MachineryFailed("kind ended with 1", way_out, detail=f"$ {command}")
        return ""


@dataclass
class FakeEngine:
    """Stands in for an engine that holds containers, and keeps the names of those that were removed."""

    containers: tuple[str, ...] = ()
    cluster: str = ""
    removed: list[str] = field(default_factory=list)

    def client(self) -> DockerClient:
        api = SimpleNamespace(containers=self._list, remove_container=lambda name, **_how: self.removed.append(name))
        return cast("DockerClient", SimpleNamespace(api=api, info=lambda: {"CgroupVersion": "2"}))

    def _list(self, **_how: Any) -> list[dict[str, Any]]:
        labels = {"io.x-k8s.kind.cluster": self.cluster, "io.x-k8s.kind.role": "control-plane"}
        rest = {"State": "running", "Created": 0, "ImageID": "", "NetworkSettings": {"Networks": {}}}
        return [{"Names": [f"/{name}"], "Labels": labels, **rest} for name in self.containers]


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path)


def test_kind_gets_our_network_and_never_the_users_kubeconfig(sandbox: Sandbox) -> None:
    kind = FakeKind()
    create_cluster(sandbox, IMAGES, 1, FakeEngine().client(), kind, retain=False)
    (command,) = kind.ran
    assert command.environment["KIND_EXPERIMENTAL_DOCKER_NETWORK"] == sandbox.network
    assert f"--kubeconfig {sandbox.kubeconfig}" in str(command)


def test_the_configuration_lies_where_people_can_read_it(sandbox: Sandbox) -> None:
    create_cluster(sandbox, IMAGES, 3, FakeEngine().client(), FakeKind(), retain=False)
    assert sandbox.kind_config.read_text().count("role: worker") == 2


def test_a_cluster_that_kind_could_not_finish_is_removed(sandbox: Sandbox) -> None:
    engine = FakeEngine((f"{sandbox.cluster}-control-plane",), sandbox.cluster)
    with pytest.raises(MachineryFailed) as failure:
        create_cluster(sandbox, IMAGES, 1, engine.client(), FakeKind(fails="create cluster"), retain=False)
    assert engine.removed == [f"{sandbox.cluster}-control-plane"]
    assert str(sandbox.logs) in failure.value.way_out
    assert "--retain" in failure.value.way_out


def test_it_stays_where_that_is_asked_for(sandbox: Sandbox) -> None:
    engine = FakeEngine((f"{sandbox.cluster}-control-plane",), sandbox.cluster)
    with pytest.raises(MachineryFailed):
        create_cluster(sandbox, IMAGES, 1, engine.client(), FakeKind(fails="create cluster"), retain=True)
    assert engine.removed == []


def test_kinds_own_logs_are_kept_when_it_fails(sandbox: Sandbox) -> None:
    kind = FakeKind(fails="create cluster")
    with pytest.raises(MachineryFailed):
        create_cluster(sandbox, IMAGES, 1, FakeEngine().client(), kind, retain=False)
    assert "export logs" in str(kind.ran[1])


def test_failing_to_keep_logs_does_not_hide_why(sandbox: Sandbox) -> None:
    with pytest.raises(MachineryFailed) as failure:
        create_cluster(sandbox, IMAGES, 1, FakeEngine().client(), FakeKind(fails="kind"), retain=False)
    assert "create cluster" in failure.value.detail


def test_the_number_of_nodes_can_not_be_changed_afterwards() -> None:
    check_count(1, 1)
    check_count(1, None)
    check_count(0, 3)
    with pytest.raises(BadInput, match="1 node, not 3") as refusal:
        check_count(1, 3)
    assert "--nodes 3" in refusal.value.way_out


SUBNET = Subnet("172.18.0.0/16")
BIRTH = Birth(version=__version__, nodes=1, image="sha256:1", network="172.18.0.0/16")
NODE = Part("x-control-plane", "control-plane", "exited", 0, "", "")


def test_a_cluster_that_was_finished_is_kept() -> None:
    assert why_unusable((NODE,), BIRTH, IMAGES, SUBNET) == ""
    assert why_unusable((), None, IMAGES, SUBNET) == ""


@pytest.mark.parametrize(
    ("birth", "reason"),
    [
        (None, "never finished"),
        (replace(BIRTH, version="0.0.1"), "made by j2k 0.0.1"),
        (replace(BIRTH, nodes=3), "2 of the cluster's 3 nodes are gone"),
        (replace(BIRTH, image="sha256:2"), "another node image"),
        (replace(BIRTH, network="172.19.0.0/16"), "network was removed"),
    ],
)
def test_a_cluster_that_can_not_be_kept_says_why(birth: Birth | None, reason: str) -> None:
    assert reason in why_unusable((NODE,), birth, IMAGES, SUBNET)


def test_addresses_of_our_own_are_out_of_dockers_way() -> None:
    assert {SUBNET.address(role) for role in ("registry", "kafka", "proxy")} == {
        "172.18.255.254",
        "172.18.255.253",
        "172.18.255.252",
    }
