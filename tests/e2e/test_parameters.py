"""Parameters: injected as papermill does, verified only against a recording of the same ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.desk import Desk

pytestmark = pytest.mark.e2e


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """Lay out a notebook with a cell of parameters."""
    desk.notebook("a.ipynb", ("rate = 1\nname = 'x'", "parameters"), "print(rate, name, type(rate).__name__)")
    return desk


def run(desk: Desk, *arguments: str) -> dict[str, Any]:
    told = desk.j2k("up", "a.ipynb", "--json", *arguments)
    assert told.code == 0, told.all
    return told.json


def test_without_a_recording_of_them_nothing_is_claimed_and_the_way_out_works(desk: Desk) -> None:
    told = desk.j2k("up", "a.ipynb", "-p", "rate=5")
    assert told.code == 0
    assert told.all.startswith("unverified")
    assert "Run again with --verify to record them and compare." in told.all
    assert desk.j2k("verify", "a.ipynb", "-p", "rate=5").code == 2
    verified = run(desk, "-p", "rate=5", "--verify")
    assert (verified["verdict"], verified["parameters"]) == ("equal", {"rate": 5})
    assert run(desk, "-p", "rate=5")["verdict"] == "equal"
    assert run(desk, "-p", "rate=6")["verdict"] == "unverified"


def test_verify_compares_a_run_with_the_recording_of_the_same_parameters(desk: Desk) -> None:
    plain, five = desk.equal("up", "a.ipynb"), desk.equal("up", "a.ipynb", "-p", "rate=5", "--verify")
    assert desk.equal("verify", "a.ipynb")["run"] == plain["run"]
    assert desk.equal("verify", "a.ipynb", "-p", "rate=5")["run"] == five["run"]
    assert desk.j2k("verify", "a.ipynb", "-p", "rate=7").code == 2


def test_they_are_injected_after_the_cell_of_parameters_with_their_types(desk: Desk) -> None:
    document = run(desk, "-p", "rate=0.5", "-p", "name=it's")
    executed = json.loads((Path(document["results"]) / "notebook.ipynb").read_text())["cells"]
    assert [cell["metadata"].get("tags") for cell in executed] == [["parameters"], ["injected-parameters"], None]
    assert desk.outputs(document)[-1] == "0.5 it's float\n"


@pytest.mark.parametrize(
    ("given", "output"),
    [("true", "True x bool"), ("None", "None x NoneType"), ("[1, 2]", "[1, 2] x list"), ("1e3", "1000.0 x float")],
)
def test_values_are_what_they_look_like(desk: Desk, given: str, output: str) -> None:
    assert desk.outputs(run(desk, "-p", f"rate={given}"))[-1].strip() == output


def test_a_name_that_the_notebook_does_not_set_is_noted(desk: Desk) -> None:
    assert "-p rat: the notebook's cell of parameters sets no rat" in run(desk, "-p", "rat=1")["notes"]


def test_nothing_runs_for_a_parameter_that_is_none(desk: Desk) -> None:
    told = desk.j2k("up", "a.ipynb", "-p", "rate")
    assert told.code == 2
    assert "write -p NAME=VALUE" in told.all
    assert not (desk.folder / ".j2k").exists()
