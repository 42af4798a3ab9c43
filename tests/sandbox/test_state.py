"""What a sandbox told of itself: kept as a whole, and no more than a hint where it is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from j2k_dev.sandbox.model import Sandbox
from j2k_dev.sandbox.state import read_state, write_state
from tests.sandbox.states import state_of

STATE = state_of(Sandbox(Path("/home/ada/.j2k")))


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
