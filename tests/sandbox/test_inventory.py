"""What of a sandbox is in the engine, read from one listing (the engine's own answers, cut down)."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from j2k_dev.sandbox.inventory import look, nodes_of, of_role
from j2k_dev.sandbox.model import LABEL, Sandbox

if TYPE_CHECKING:
    from docker import DockerClient

SANDBOX = Sandbox(Path("/home/ada/.j2k"))
KIND = "io.x-k8s.kind"


def listed(name: str, labels: dict[str, str], state: str = "running") -> dict[str, Any]:
    return {
        "Names": [f"/{SANDBOX.cluster}-{name}"],
        "Labels": labels,
        "State": state,
        "Created": 1_700_000_000,
        "ImageID": "sha256:1",
        "NetworkSettings": {"Networks": {SANDBOX.network: {"IPAddress": "172.18.0.2"}}},
    }


def engine(*containers: dict[str, Any]) -> DockerClient:
    api = SimpleNamespace(containers=lambda **_how: list(containers))
    return cast("DockerClient", SimpleNamespace(api=api))


def node(name: str, role: str) -> dict[str, Any]:
    return listed(name, {f"{KIND}.cluster": SANDBOX.cluster, f"{KIND}.role": role})


def test_nodes_are_known_by_kinds_labels_the_control_plane_first() -> None:
    nodes = [node("worker10", "worker"), node("worker", "worker"), node("control-plane", "control-plane")]
    parts = look(engine(*nodes), SANDBOX)
    names = [part.name.removeprefix(f"{SANDBOX.cluster}-") for part in nodes_of(parts)]
    assert names == ["control-plane", "worker", "worker10"]


def test_our_containers_tell_their_role_and_ports() -> None:
    labels = {LABEL: SANDBOX.cluster, "j2k.dev/role": "registry", "j2k.dev/ports": '{"5000": 40123}'}
    registry = of_role(look(engine(listed("registry", labels)), SANDBOX), "registry")
    assert registry is not None
    assert registry.ports == {5000: 40123}
    assert registry.address == "172.18.0.2"


def test_a_paused_container_does_not_run() -> None:
    (part,) = look(engine(listed("kafka", {LABEL: SANDBOX.cluster}, state="paused")), SANDBOX)
    assert not part.running


def test_what_only_has_a_similar_name_is_not_ours() -> None:
    other = listed("twin-kafka", {LABEL: f"{SANDBOX.cluster}-twin"})
    assert look(engine(other, listed("mine", {})), SANDBOX) == ()
