"""What a sandbox that is there may be asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from j2k_dev.model.errors import BadInput
from j2k_dev.sandbox.model import Sandbox
from j2k_dev.sandbox.up import check_source, check_zones, is_cloud
from tests.sandbox.states import state_of

STATE = state_of(Sandbox(Path("/home/ada/.j2k")))  # made with --images packages


def test_where_its_images_are_from_can_not_be_changed_afterwards() -> None:
    check_source(STATE, None)
    check_source(STATE, "packages")
    with pytest.raises(BadInput, match="made with --images packages: that can't be changed") as refusal:
        check_source(STATE, "registry")
    assert "`j2k sandbox down`, then `j2k sandbox up --images registry`" in refusal.value.way_out


def test_a_twin_stays_one_without_being_asked_again() -> None:
    assert is_cloud(True, asked=False)
    assert is_cloud(None, asked=True)
    assert not is_cloud(False, asked=False)
    assert not is_cloud(None, asked=False)


def test_another_sandbox_does_not_become_a_twin() -> None:
    with pytest.raises(BadInput, match="made without --cloud"):
        is_cloud(False, asked=True)


def test_a_twin_has_two_zones_at_least() -> None:
    check_zones(None, cloud=True)
    check_zones(2, cloud=True)
    check_zones(1, cloud=False)
    with pytest.raises(BadInput, match="2 zones at least"):
        check_zones(1, cloud=True)
