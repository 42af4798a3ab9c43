"""Bugs planted into a copy of j2k, each of the kind that loses or falsifies results: a scenario catches each."""

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.bugs import BUGS, Bug, planted
from tests.e2e.desk import Desk

pytestmark = pytest.mark.e2e

SLOW = "import time\ntime.sleep(2)\nb = sum(a)"
STAGES = (("a = [1, 2]", "stage:load"), (SLOW, "stage:fit"), ("print(a, b)", "stage:plot"))


def verdict(desk: Desk, bug: Bug) -> dict[str, Any]:
    """Run the scenario, and return its result."""
    file = desk.folder / "scenarios" / "catch.yaml"
    file.parent.mkdir()
    lines = ["schema: j2k.dev/scenario/v1", "title: catch", "timeout: 20", f"method: [{bug.method}]", bug.expect]
    file.write_text("\n".join(lines) + "\n")
    told = desk.j2k("scenario", "catch", "--json")
    assert "scenarios" in told.json, told.all
    result = told.json["scenarios"][0]
    assert isinstance(result, dict)
    return result


@pytest.fixture
def ready(signing_desk: Desk) -> Desk:
    signing_desk.notebook("a.ipynb", *STAGES)
    signing_desk.equal("up", "a.ipynb")
    return signing_desk


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_caught(ready: Desk, tmp_path: Path, name: str) -> None:
    ready.variables["PYTHONPATH"] = str(planted(BUGS[name], tmp_path / "planted"))
    result = verdict(ready, BUGS[name])
    assert all(struck["bit"] for struck in result["struck"]), result
    assert result["verdict"] == "broken", result


@pytest.mark.parametrize("name", BUGS)
def test_without_the_bug_the_same_scenario_is_survived(ready: Desk, name: str) -> None:
    assert verdict(ready, BUGS[name])["verdict"] == "survived"


def test_faults_that_break_it_are_shrunk_to_the_one_that_does(ready: Desk, tmp_path: Path) -> None:
    bug = BUGS["publishes without a temporary name"]
    ready.variables["PYTHONPATH"] = str(planted(bug, tmp_path / "planted"))
    # The seed's faults are a kill in a cell, which this bug does not mind, and one in a publication.
    told = ready.j2k("scenario", "--random", "2", "--seed", "124", "--json")
    assert told.code == 6, told.all
    broken = [result for result in told.json["scenarios"] if result["verdict"] == "broken"]
    assert [len(result["struck"]) for result in broken][-1] == 1
    assert broken[-1]["struck"][0]["point"] == "while its publication is half written"
    again = ready.j2k("scenario", f".j2k/scenarios/{broken[-1]['scenario']}.yaml")
    assert again.code == 6, again.all
