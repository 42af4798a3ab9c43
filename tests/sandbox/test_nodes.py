"""What the cluster says of its nodes, and when it counts as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from j2k_dev.sandbox.nodes import TOKEN, Health, Node, read_nodes, write_token

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_700_000_000.0
NODE = Node("j2k-1-control-plane", ready=True, address="172.18.0.2", renewed=NOW)


def told(*, ready: str = "True") -> dict[str, Any]:
    node = {
        "kind": "Node",
        "metadata": {"name": NODE.name},
        "status": {
            "conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": ready}],
            "addresses": [{"type": "InternalIP", "address": NODE.address}, {"type": "Hostname", "address": "x"}],
        },
    }
    lease = {
        "kind": "Lease",
        "metadata": {"name": NODE.name},
        "spec": {"renewTime": "2023-11-14T22:13:20.000000Z"},
    }
    return {"items": [node, lease]}


def test_nodes_are_read_with_their_leases() -> None:
    assert read_nodes(told()) == (NODE,)


def test_a_node_that_is_not_heard_of_is_not_ready() -> None:
    (node,) = read_nodes(told(ready="Unknown"))
    assert not node.ready


def test_a_node_without_a_lease_was_never_heard() -> None:
    (node,) = read_nodes({"items": told()["items"][:1]})
    assert node.renewed == 0


def test_a_cluster_is_well_when_all_nodes_are_ready_and_see_our_folder() -> None:
    health = Health((NODE,), "token")
    assert health.is_well(1, since=NOW - 1, token="token")
    assert not health.is_well(2, since=NOW - 1, token="token")
    assert not health.is_well(1, since=NOW - 1, token="another")


def test_a_node_that_says_ready_from_before_it_was_stopped_does_not_count() -> None:
    assert not Health((NODE,), "token").is_well(1, since=NOW + 1, token="token")


def test_the_exchange_folder_is_marked_once(tmp_path: Path) -> None:
    write_token(tmp_path / "exchange", "token")
    mark = tmp_path / "exchange" / TOKEN
    written = mark.stat().st_mtime_ns
    write_token(tmp_path / "exchange", "token")
    assert mark.read_text() == "token"
    assert mark.stat().st_mtime_ns == written
