"""A recording survives being packed, and what did not change is written once."""

from __future__ import annotations

import json

import pytest

from j2k_dev.model.codec import CodecError
from j2k_dev.model.packing import pack, unpack
from j2k_dev.model.recording import Boundary, CellRecord, Interpreter, Recording, Variable


def recording(cells: int) -> Recording:
    records = tuple(CellRecord(number, number, (), 0.1, 0.1, 1) for number in range(cells))
    live = [Variable(f"x{number}", "int", 4, number) for number in range(cells)]
    boundaries = tuple(Boundary(number, tuple(live[: number + 1]), 4 * number, ()) for number in range(cells))
    return Recording("k", "n.ipynb", "s", Interpreter("python", "3.12.1", {}), {}, records, boundaries, 1.0)


def test_a_recording_survives_being_packed() -> None:
    assert unpack(json.loads(json.dumps(pack(recording(5))))) == recording(5)


def test_a_variable_that_stays_is_written_once() -> None:
    assert len(pack(recording(50))["variables"]) == 50


@pytest.mark.parametrize("plain", [{}, [], None, {"variables": [], "boundaries": [{"variables": [3]}]}])
def test_anything_else_is_refused(plain: object) -> None:
    with pytest.raises(CodecError):
        unpack(plain)
