"""What the cluster says of its nodes, and when it counts as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from j2k_dev.sandbox.nodes import Node, are_well, ask_nodes, read_nodes, write_token

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_700_000_000.0
NODE = Node("j2k-1-control-plane", ready=True, address="172.18.0.2", renewed=NOW)


def nodes(*, ready: str = "True") -> dict[str, Any]:
    node = {
        "metadata": {"name": NODE.name},
        "status": {
            "conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": ready}],
            "addresses": [{"type": "InternalIP", "address": NODE.address}, {"type": "Hostname", "address": "x"}],
        },
    }
    return {"items": [node]}


def leases() -> dict[str, Any]:
    return {"items": [{"metadata": {"name": NODE.name}, "spec": {"renewTime": "2023-11-14T22:13:20.000000Z"}}]}


def test_nodes_are_read_with_their_leases() -> None:
    assert read_nodes(nodes(), leases()) == (NODE,)


def test_a_node_that_is_not_heard_of_is_not_ready() -> None:
    (node,) = read_nodes(nodes(ready="Unknown"), leases())
    assert not node.ready


def test_a_node_without_a_lease_was_never_heard() -> None:
    (node,) = read_nodes(nodes(), {"items": []})
    assert node.renewed == 0


def test_a_cluster_is_well_when_all_nodes_are_ready() -> None:
    assert are_well((NODE,), 1, since=NOW - 1)
    assert not are_well((NODE,), 2, since=NOW - 1)
    assert not are_well(None, 1, since=NOW - 1)


def test_a_node_that_says_ready_from_before_it_was_stopped_does_not_count() -> None:
    assert not are_well((NODE,), 1, since=NOW + 1)


def test_a_cluster_whose_kubeconfig_is_lost_does_not_answer(tmp_path: Path) -> None:
    assert ask_nodes(tmp_path / "kubeconfig") is None


def test_the_exchange_folder_is_marked_once(tmp_path: Path) -> None:
    mark = tmp_path / "exchange" / ".sandbox"
    write_token(mark, "token")
    written = mark.stat().st_mtime_ns
    write_token(mark, "token")
    assert mark.read_text() == "token"
    assert mark.stat().st_mtime_ns == written
