"""What has to be proven before a promotion: ``promotion.yaml`` beside the notebook, or what holds without one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from j2k_dev.deploy.strict_yaml import read_yaml, rule
from j2k_dev.model.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

POLICY = "promotion.yaml"
SCHEMA = "j2k.dev/promotion/v1"
SCENARIOS = ("kill-stage-2", "delete-pod-stage-2", "restart-broker")
MAX_AGE_DAYS = 30

_MOST_DAYS = 366
_NUMBERED = re.compile(r"(?P<what>.+-stage)-(?P<number>[1-9][0-9]*)")


@dataclass(frozen=True)
class Required:
    """The scenarios that have to have been survived, besides the run that equals the notebook, and how lately.

    ``survived_late`` says whether a scenario counts in which everything held, but going on took longer than allowed.
    """

    schema: Literal["j2k.dev/promotion/v1"] = "j2k.dev/promotion/v1"
    scenarios: tuple[str, ...] = SCENARIOS
    max_age_days: int = rule(
        lambda value: "" if 1 <= value <= _MOST_DAYS else f"1 to {_MOST_DAYS}", default=MAX_AGE_DAYS
    )
    survived_late: bool = True


def read_policy(named: Path | None, beside: Path) -> Required:
    """Read the policy that is named, else ``promotion.yaml`` in a folder, else take the defaults.

    Raises BadInput with all that is wrong with it, or where the one that is named is not there.
    """
    path = named or beside / POLICY
    if named is None and not path.exists():
        return Required()
    required = read_yaml(Required, path, f"mend {path}")
    twice = sorted({name for name in required.scenarios if required.scenarios.count(name) > 1})
    if twice:
        raise BadInput(f"{path}: scenarios has {', '.join(twice)} twice", f"mend {path}")
    return required


def needed(required: Required, stages: Sequence[str]) -> tuple[str, ...]:
    """Name the scenarios that this pipeline has to survive.

    A number beyond the last stage is the last one: a pipeline of one stage has to survive ``kill-stage-1``.
    """
    return tuple(dict.fromkeys(_within(name, len(stages)) for name in required.scenarios))


def _within(name: str, count: int) -> str:
    match = _NUMBERED.fullmatch(name)
    if match is None or not count or int(match["number"]) <= count:
        return name
    return f"{match['what']}-{count}"
