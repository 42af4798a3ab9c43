"""The sample of the slow tests: of a size, the same for a commit, and in the end every test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from tests.sampling import chosen, left_out

if TYPE_CHECKING:
    import pytest


@dataclass
class Item:
    """As much of a collected test as the sample looks at."""

    nodeid: str
    marks: tuple[str, ...] = field(default=("pipeline",))

    def get_closest_marker(self, name: str) -> str | None:
        return name if name in self.marks else None


def running(items: list[Item], seed: str) -> list[str]:
    left = {item.nodeid for item in left_out(cast("list[pytest.Item]", items), seed)}
    return [item.nodeid for item in items if item.nodeid not in left]


def test_the_same_seed_chooses_the_same_and_another_one_others() -> None:
    names = [f"test_{number}" for number in range(50)]
    assert chosen(names, "a", 5) == chosen(reversed(names), "a", 5)
    assert chosen(names, "a", 5) != chosen(names, "b", 5)
    assert set().union(*(chosen(names, str(seed), 5) for seed in range(200))) == set(names)


def test_tests_that_are_not_slow_all_run() -> None:
    items = [Item(f"quick.py::{number}", ()) for number in range(50)]
    assert running(items, "a") == [item.nodeid for item in items]


def test_a_few_of_the_slow_ones_run_and_those_that_go_on_from_one_another_together() -> None:
    alone = [Item(f"alone.py::{number}") for number in range(9)]
    together = [Item(f"together.py::{number}", ("pipeline", "together")) for number in range(3)]
    found = [running([*alone, *together], str(seed)) for seed in range(50)]
    with_them = [each for each in found if "together.py::0" in each]
    assert with_them
    assert all(len(each) == 5 + 3 for each in with_them)
    assert all(len(each) == 6 for each in found if each not in with_them)
