"""Scenario files: those that ship can be read, names are found, and what is wrong with a file is said with its line."""

from pathlib import Path

import pytest

from j2k_dev.model.errors import BadInput
from j2k_dev.scenario.catalogue import catalogue, find, in_order, shipped, stage_of, template, within
from j2k_dev.scenario.faults.table import MAKERS, engines_of
from j2k_dev.scenario.model import Fault

STAGES = ("load", "fit", "plot")


def test_at_least_twenty_scenarios_ship(tmp_path: Path) -> None:
    assert len(catalogue(tmp_path)) >= 20


def test_every_fault_has_a_scenario_that_ships(tmp_path: Path) -> None:
    struck = {strike.fault for named in catalogue(tmp_path) for strike in named.scenario.method}
    assert struck == set(MAKERS) == set(Fault.__args__)  # type: ignore[attr-defined] # of a Literal


def test_a_scenario_that_ships_fits_an_engine(tmp_path: Path) -> None:
    for named in catalogue(tmp_path):
        for engine in named.scenario.engines:
            assert all(engine in engines_of(strike.fault) for strike in named.scenario.method), named.name


def test_the_names_of_the_readme_are_found(tmp_path: Path) -> None:
    for name in ("kill-stage-2", "delete-pod-stage-2", "hang-stage-3", "restart-broker"):
        assert find(name, tmp_path).name == name


@pytest.mark.parametrize(
    ("name", "stage"), [("kill-stage", "2"), ("kill-stage-1", "1"), ("kill-stage-sum-up", "sum-up")]
)
def test_a_stage_is_named_behind_the_scenario(tmp_path: Path, name: str, stage: str) -> None:
    assert find(name, tmp_path).scenario.stage == stage


def test_an_unknown_scenario_is_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no scenario kil-stage-2; near it: .*kill-stage-2"):
        find("kil-stage-2", tmp_path)


def test_all_are_run_in_an_order_that_starts_the_fewest_pods(tmp_path: Path) -> None:
    ordered = in_order(catalogue(tmp_path))
    assert len(ordered) == len(catalogue(tmp_path))
    sizes = [(named.scenario.nodes, named.scenario.replicas) for named in ordered]
    assert sizes == sorted(sizes)
    names = [named.name for named in ordered]
    assert names.index("kill-stage-2") < names.index("kill-worker-stage-2") < names.index("stop-node")


@pytest.mark.parametrize(("wanted", "found"), [("fit", "fit"), ("1", "load"), ("3", "plot")])
def test_a_stage_goes_by_number_or_name(wanted: str, found: str) -> None:
    assert stage_of(wanted, STAGES) == found


@pytest.mark.parametrize("wanted", ["0", "4", "draw", ""])
def test_a_stage_that_is_not_there_is_told_with_those_that_are(wanted: str) -> None:
    with pytest.raises(BadInput, match="no stage") as caught:
        stage_of(wanted, STAGES)
    assert caught.value.way_out == "there are 1 load, 2 fit, 3 plot"


def test_what_is_about_no_stage_in_particular_can_be_done_to_a_pipeline_of_one_stage(tmp_path: Path) -> None:
    broker, stage = find("restart-broker", tmp_path), find("kill-stage-2", tmp_path)
    assert within(broker, ("all",)).scenario.stage == "1"
    assert within(broker, STAGES) == broker
    assert within(stage, ("all",)) == stage


def test_a_scenario_beside_the_notebook_counts_more_than_one_that_ships(tmp_path: Path) -> None:
    own = tmp_path / "scenarios" / "kill-stage.yaml"
    own.parent.mkdir()
    own.write_text((shipped() / "kill-stage.yaml").read_text().replace("title: ", "title: Mine, "))
    assert find("kill-stage-2", tmp_path).scenario.title.startswith("Mine, ")


def test_a_new_scenario_can_be_run_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(template("mine", ".schema.json"))
    assert find(str(file), tmp_path).scenario == find("kill-stage", tmp_path).scenario


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("fault: kill", "fault: kil", r"line 6: method\[0\].fault has to be one of kill"),
        ("point: cell", "pont: cell", r"line 7: unknown field method\[0\].pont"),
        ("attempts: 2", "attempts: many", "line 10: expect.attempts has to be a whole number"),
        ("attempts: 2", "attempts: 0", "line 10: expect.attempts: 0 is not between"),
        ("v1", "v2", "line 1: schema: j2k.dev/scenario/v2 is not known here"),
        ("title: ", "title: ''\nwas: ", "unknown field was"),
        ("cell\n", "cell\n    cell: first\n", "line 8: .*first is none of middle"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_line(tmp_path: Path, old: str, new: str, told: str) -> None:
    text = (shipped() / "kill-stage.yaml").read_text()
    assert old in text
    file = tmp_path / "broken.yaml"
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(BadInput, match=told):
        find(str(file), tmp_path)


def test_a_method_without_a_fault_proves_nothing_and_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "idle.yaml"
    file.write_text("schema: j2k.dev/scenario/v1\ntitle: Nothing happens\n")
    with pytest.raises(BadInput, match="method has no fault"):
        find(str(file), tmp_path)
