"""What has to be proven: the defaults, a policy file, and pipelines with fewer stages than a scenario's number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from j2k_dev.model.errors import BadInput
from j2k_dev.promote.requirements import Required, needed, read_policy

if TYPE_CHECKING:
    from pathlib import Path

POLICY = """\
schema: j2k.dev/promotion/v1
scenarios: [kill-stage-fit, kill-broker]
maxAgeDays: 7
survivedLate: false
"""


def test_without_a_policy_three_scenarios_and_thirty_days_are_asked_for(tmp_path: Path) -> None:
    required = read_policy(None, tmp_path)
    assert required.scenarios == ("kill-stage-2", "delete-pod-stage-2", "restart-broker")
    assert (required.max_age_days, required.survived_late) == (30, True)


def test_a_policy_beside_the_notebook_counts(tmp_path: Path) -> None:
    (tmp_path / "promotion.yaml").write_text(POLICY)
    required = read_policy(None, tmp_path)
    assert required == Required("j2k.dev/promotion/v1", ("kill-stage-fit", "kill-broker"), 7, survived_late=False)


def test_the_policy_that_is_named_counts_more(tmp_path: Path) -> None:
    (tmp_path / "promotion.yaml").write_text(POLICY)
    (tmp_path / "other.yaml").write_text("maxAgeDays: 1\n")
    assert read_policy(tmp_path / "other.yaml", tmp_path).max_age_days == 1


def test_a_policy_that_is_named_and_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none\.yaml can't be read"):
        read_policy(tmp_path / "none.yaml", tmp_path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("scenario: [x]", r"line 1: unknown field scenario \(there are schema, scenarios, maxAgeDays, survivedLate\)"),
        ("maxAgeDays: 0", "line 1: maxAgeDays: 1 to 366"),
        ("maxAgeDays: 1\nsurvivedLate: perhaps", "line 2: survivedLate has to be true or false"),
        ("schema: j2k.dev/promotion/v2", "schema has to be one of"),
        ("scenarios: [a, b, a]", "scenarios has a twice"),
        ("", "the file is empty"),
    ],
)
def test_a_wrong_policy_is_told_with_its_line(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "promotion.yaml").write_text(text)
    with pytest.raises(BadInput, match=complaint):
        read_policy(None, tmp_path)


def test_a_pipeline_of_one_stage_has_to_survive_the_same_in_that_stage() -> None:
    assert needed(Required(), ("all",)) == ("kill-stage-1", "delete-pod-stage-1", "restart-broker")


def test_no_scenario_is_asked_for_twice_because_stages_are_few() -> None:
    required = Required(scenarios=("kill-stage-1", "kill-stage-2", "kill-stage-3"))
    assert needed(required, ("a", "b")) == ("kill-stage-1", "kill-stage-2")


def test_stages_that_are_named_stay_named() -> None:
    required = Required(scenarios=("kill-stage-fit", "kill-stage-2", "drain-node"))
    assert needed(required, ("load", "fit")) == required.scenarios
