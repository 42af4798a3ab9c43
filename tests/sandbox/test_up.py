"""What a sandbox that is there may be asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from j2k_dev.model.errors import BadInput
from j2k_dev.sandbox.model import Sandbox
from j2k_dev.sandbox.up import check_source
from tests.sandbox.states import state_of

STATE = state_of(Sandbox(Path("/home/ada/.j2k")))  # made with --images packages


def test_where_its_images_are_from_can_not_be_changed_afterwards() -> None:
    check_source(STATE, None)
    check_source(STATE, "packages")
    with pytest.raises(BadInput, match="made with --images packages: that can't be changed") as refusal:
        check_source(STATE, "registry")
    assert "`j2k sandbox down`, then `j2k sandbox up --images registry`" in refusal.value.way_out
