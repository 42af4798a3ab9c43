"""A sandbox of this machine is known by its API server, whatever the context is called; a twin is a cloud."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from j2k_dev.actions.promotion.sandboxes import _is_here, _of_workspace, plain_sandbox
from j2k_dev.sandbox.model import CloudState, Sandbox
from j2k_dev.sandbox.state import write_state
from tests.sandbox.states import state_of

if TYPE_CHECKING:
    from pathlib import Path

TWIN = CloudState("admin", "", ("a", "b"), "r:5000", "", "", "", "p", "k", "SCRAM-SHA-512", "fs-0", "fsap-0")


def up(root: Path, name: str, port: int, cloud: CloudState | None = None) -> Sandbox:
    sandbox = Sandbox(root, name)
    sandbox.root.mkdir(parents=True)
    told = {"clusters": [{"cluster": {"server": f"https://127.0.0.1:{port}"}}]}
    sandbox.kubeconfig.write_text(yaml.safe_dump(told))
    write_state(sandbox, state_of(sandbox, cloud=cloud))
    return sandbox


def test_a_sandbox_is_found_by_the_address_of_its_server(tmp_path: Path) -> None:
    first, second = up(tmp_path, "", 6001), up(tmp_path, "wide", 6002)
    found = tuple(_of_workspace(tmp_path))
    assert plain_sandbox("https://127.0.0.1:6001", found) == first.cluster
    assert plain_sandbox("https://127.0.0.1:6002", found) == second.cluster
    assert plain_sandbox("https://127.0.0.1:6003", found) == ""


def test_a_twin_of_a_cloud_may_be_promoted_to(tmp_path: Path) -> None:
    twin = up(tmp_path, "twin", 6001, TWIN)
    assert plain_sandbox("https://127.0.0.1:6001", (twin,)) == ""


def test_a_sandbox_whose_state_is_lost_is_taken_for_a_plain_one(tmp_path: Path) -> None:
    lost = up(tmp_path, "twin", 6001, TWIN)
    lost.state.unlink()
    assert plain_sandbox("https://127.0.0.1:6001", (lost,)) == lost.cluster


@pytest.mark.parametrize(
    ("server", "here"),
    [
        ("https://127.0.0.1:6443", True),
        ("https://[::1]:6443", True),
        ("https://localhost:6443", True),
        ("https://ABC.gr7.eu-west-1.eks.amazonaws.com", False),
        ("https://10.0.0.1:6443", False),
        ("", False),
    ],
)
def test_only_servers_of_this_machine_are_looked_at(server: str, here: bool) -> None:
    assert _is_here(server) is here
