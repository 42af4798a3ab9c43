"""Scenarios by chance: repeatable, survivable, written so that they read back, and shrunk fault by fault."""

from pathlib import Path

import pytest

from j2k_dev.scenario.catalogue import find
from j2k_dev.scenario.chance import by_chance, smaller, to_yaml
from j2k_dev.scenario.faults.table import engines_of

STAGES = ("load", "fit", "plot")


def test_a_seed_chooses_the_same_again() -> None:
    assert by_chance(7, 3, STAGES, "local") == by_chance(7, 3, STAGES, "local")
    assert len({to_yaml(by_chance(seed, 3, STAGES, "local")) for seed in range(20)}) > 15


@pytest.mark.parametrize("engine", ["local", "kind"])
@pytest.mark.parametrize("seed", range(30))
def test_what_is_chosen_has_to_be_survived(seed: int, engine: str) -> None:
    method = by_chance(seed, 5, STAGES, engine).method
    assert len(method) == 5
    assert all(engine in engines_of(strike.fault) for strike in method)
    assert max([strike.stage for strike in method].count(stage) for stage in STAGES) <= 2


def test_there_are_no_more_faults_than_places() -> None:
    assert len(by_chance(1, 20, ("only",), "local").method) == 2


@pytest.mark.parametrize("seed", range(10))
def test_a_chosen_scenario_reads_back_as_it_was_written(tmp_path: Path, seed: int) -> None:
    scenario = by_chance(seed, 4, STAGES, "kind")
    file = tmp_path / "random.yaml"
    file.write_text(to_yaml(scenario))
    assert find(str(file), tmp_path).scenario == scenario


def test_smaller_ones_have_one_fault_less() -> None:
    scenario = by_chance(3, 3, STAGES, "local")
    found = list(smaller(scenario))
    assert [len(one.method) for one in found] == [2, 2, 2]
    assert all(set(one.method) <= set(scenario.method) for one in found)
    assert not list(smaller(found[0])) or all(len(one.method) == 1 for one in smaller(found[0]))
    assert not list(smaller(next(smaller(found[0]))))
