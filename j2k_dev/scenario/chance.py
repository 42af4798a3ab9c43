"""Scenarios by chance: faults at points that a seed chooses, such that every run has to survive them. Repeatable."""

from __future__ import annotations

import random
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import yaml

from j2k_dev.deploy.strict_yaml import as_written
from j2k_dev.scenario.model import SCHEMA, Expected, Scenario, Strike

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Faults that cost a stage at most one attempt each: with fewer than its attempts, it has to come through.
_ANYWHERE = (
    Strike("kill", "cell"),
    Strike("kill", "ran"),
    Strike("kill", "publication"),
    Strike("kill", "cell", process="worker"),
    Strike("kill", "published", process="worker"),
    Strike("kill", "forwarded", process="worker"),
    Strike("terminate", "cell", process="worker"),
    Strike("stop", "cell"),
    Strike("send-twice", "taken"),
    Strike("kill-j2k", "cell"),
)
_ON_KIND = (
    Strike("delete-pod", "cell", seconds=0),
    Strike("delete-pod", "ran", seconds=5),
    Strike("restart-broker", "published"),
    Strike("reset-network", "published", seconds=3),
    Strike("slow-exchange", "ran", seconds=3),
    Strike("pause-broker", "cell", seconds=3),
    Strike("cut-network", "ran", seconds=3),
    Strike("rolling-update", "cell"),
)
_MOST_OF_A_STAGE = 2
_SECONDS_EACH = 60


def by_chance(seed: int, count: int, stages: Sequence[str], engine: str) -> Scenario:
    """Choose so many faults, at most two of a stage; there may be fewer where there are few stages."""
    chance = random.Random(seed)  # noqa: S311 - it has to be repeatable
    places = [stage for stage in stages for _ in range(_MOST_OF_A_STAGE)]
    chosen = sorted(chance.sample(places, min(count, len(places))), key=stages.index)
    method: list[Strike] = []
    for stage in chosen:
        taken = {strike.point for strike in method if strike.stage == stage}  # some points are come to only once
        faults = [*_ANYWHERE, *(_ON_KIND if engine == "kind" else ())]
        method.append(replace(chance.choice([one for one in faults if one.point not in taken]), stage=stage))
    title = f"{len(method)} faults that seed {seed} chose"
    return of_strikes(method, title)


def of_strikes(method: Sequence[Strike], title: str) -> Scenario:
    """Make a scenario of strikes that a run has to survive."""
    expected = Expected(recovery_seconds=_SECONDS_EACH, attempts=_MOST_OF_A_STAGE + 1)
    return Scenario(
        SCHEMA, title, "Whatever happens, the results are the notebook's.", stage="1", method=tuple(method),
        expect=expected, timeout=_SECONDS_EACH * (len(method) + 1),
    )  # fmt: skip


def smaller(scenario: Scenario) -> Iterator[Scenario]:
    """Give the scenarios that have one fault less."""
    for left_out in range(len(scenario.method) if len(scenario.method) > 1 else 0):
        method = (*scenario.method[:left_out], *scenario.method[left_out + 1 :])
        yield of_strikes(method, f"{len(method)} of the {scenario.title.partition(' of the ')[2] or scenario.title}")


def to_yaml(scenario: Scenario) -> str:
    """Write a scenario as a file that reads back as the same."""
    usual = asdict(Scenario(SCHEMA))
    told = {name: value for name, value in asdict(scenario).items() if name == "schema" or value != usual[name]}
    return str(yaml.safe_dump(_written(told), sort_keys=False, allow_unicode=True))


def _written(value: object) -> object:
    if isinstance(value, dict):
        return {as_written(name): _written(each) for name, each in value.items()}
    return [_written(each) for each in value] if isinstance(value, (list, tuple)) else value
