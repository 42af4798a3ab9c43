"""What a sandbox told of itself: kept as a whole, and no more than a hint where it is damaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from j2k_dev.sandbox.model import Image, Sandbox, SandboxState
from j2k_dev.sandbox.state import read_state, write_state

if TYPE_CHECKING:
    from pathlib import Path

STATE = SandboxState(
    cluster="j2k-1",
    context="kind-j2k-1",
    kubeconfig="/home/ada/.j2k/sandbox/default/kubeconfig",
    kubernetes="v1.34.4",
    nodes=1,
    registry="localhost:40001",
    kafka="localhost:40002",
    kafka_in_cluster="kafka.j2k-system.svc:9092",
    kafka_proxied="localhost:40003",
    proxy="http://localhost:40004",
    images={"node": Image("j2k/node:1", "sha256:1", "packages")},
    version="0.1.0",
    seconds={"cluster": 12.5},
)


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path)


def test_what_is_written_is_read(sandbox: Sandbox) -> None:
    write_state(sandbox, STATE)
    assert read_state(sandbox) == STATE


def test_nothing_is_known_before_it_was_told(sandbox: Sandbox) -> None:
    assert read_state(sandbox) is None


@pytest.mark.parametrize("damage", [lambda text: text[: len(text) // 2], lambda _text: "", lambda _text: "{}"])
def test_a_damaged_file_is_as_none(sandbox: Sandbox, damage: object) -> None:
    assert callable(damage)
    write_state(sandbox, STATE)
    sandbox.state.write_text(damage(sandbox.state.read_text()))
    assert read_state(sandbox) is None
