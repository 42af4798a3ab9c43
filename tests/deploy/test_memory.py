"""Sizes of memory as people write them, and the stages that get them."""

from __future__ import annotations

import pytest

from j2k_dev.deploy.memory import EVERY, by_stage, parse_memory
from j2k_dev.model.errors import BadInput


@pytest.mark.parametrize(
    ("text", "stage", "size"),
    [
        ("2Gi", EVERY, 2 << 30),
        ("fit=512Mi", "fit", 512 << 20),
        ("1.5G", EVERY, 1_500_000_000),
        ("a b=1gib", "a b", 1 << 30),
    ],
)
def test_a_size_is_read_as_people_write_it(text: str, stage: str, size: int) -> None:
    assert parse_memory([text]) == {stage: size}


def test_everything_that_is_no_size_is_named_at_once() -> None:
    with pytest.raises(BadInput, match=r"--memory fit=much, 5, 1Ki"):
        parse_memory(["fit=much", "5", "1Ki", "2Gi"])


def test_a_stage_gets_its_own_before_what_all_get() -> None:
    assert by_stage({EVERY: 1, "fit": 2}, ["load", "fit"]) == {"load": 1, "fit": 2}
    assert by_stage({"fit": 2}, ["load", "fit"]) == {"fit": 2}


def test_a_stage_that_there_is_not_is_answered_with_those_that_are() -> None:
    with pytest.raises(BadInput) as caught:
        by_stage({"fti": 1}, ["load", "fit"])
    assert "fti" in caught.value.message
    assert "load, fit" in caught.value.way_out
