"""The twin's target file: what the strict reader of target files takes, and never written over the user's own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from j2k_dev.deploy.target import read_target
from j2k_dev.sandbox.cloud.model import Cloud
from j2k_dev.sandbox.cloud.target import write_target
from j2k_dev.sandbox.cloud.twin import TwinGround
from j2k_dev.sandbox.model import Sandbox
from tests.sandbox.states import state_of

if TYPE_CHECKING:
    from pathlib import Path

    from j2k_dev.sandbox.model import SandboxState


@pytest.fixture
def state(tmp_path: Path) -> SandboxState:
    sandbox = Sandbox(tmp_path / ".j2k", "twin")
    nothing: object = None
    ground = TwinGround(Cloud(sandbox), *[nothing] * 6)  # type: ignore[arg-type]  # telling needs none of them
    told = ground.tell(state_of(sandbox, nodes=2))
    assert told.cloud is not None
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")
    return replace(told, cloud=replace(told.cloud, ca=str(tmp_path / "ca.pem")))


def test_it_is_what_the_reader_of_target_files_takes(state: SandboxState, tmp_path: Path) -> None:
    path, ours = write_target(state, tmp_path)
    assert ours
    target = read_target(state.context, path, tmp_path)
    assert target.registry.push == state.registry
    assert target.kafka.protocol == "SASL_SSL"
    assert target.storage.class_ == "efs"
    assert "password" not in path.read_text().lower()


def test_the_user_of_a_twin_is_not_its_administrator(state: SandboxState) -> None:
    assert state.cloud is not None
    assert state.context != state.cloud.admin_context
    assert state.kubeconfig != state.cloud.admin_kubeconfig
    assert state.cloud.zones == ("a", "b")


def test_what_changed_is_written_again(state: SandboxState, tmp_path: Path) -> None:
    write_target(state, tmp_path)
    path, ours = write_target(replace(state, registry="localhost:5002"), tmp_path)
    assert ours
    assert "localhost:5002" in path.read_text()


def test_a_file_of_the_users_own_is_left_alone(state: SandboxState, tmp_path: Path) -> None:
    path, _ours = write_target(state, tmp_path)
    path.write_text("context: mine\n")
    assert write_target(state, tmp_path) == (path, False)
    assert path.read_text() == "context: mine\n"
