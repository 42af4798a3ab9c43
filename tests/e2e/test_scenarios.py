"""Scenarios from the command line, on this machine: verdicts that can be relied on, and nothing left behind."""

import json
import signal
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.e2e.desk import Desk

pytestmark = pytest.mark.e2e

STAGES = (("a = [1, 2]", "stage:load"), ("b = sum(a)", "stage:fit"), "c = b + 1", ("print(a, b, c)", "stage:plot"))


@pytest.fixture
def ready(signing_desk: Desk) -> Desk:
    """Have a notebook of three stages verified."""
    signing_desk.notebook("a.ipynb", *STAGES)
    signing_desk.equal("up", "a.ipynb")
    return signing_desk


def scenario(desk: Desk, name: str, *lines: str) -> str:
    """Write a scenario beside the notebook."""
    file = desk.folder / "scenarios" / f"{name}.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join(["schema: j2k.dev/scenario/v1", f"title: {name}", *lines]) + "\n")
    return name


def test_a_killed_stage_is_survived_and_the_verdict_is_evidence(ready: Desk) -> None:
    told = ready.j2k("scenario", "kill-stage-2", "--json")
    assert told.code == 0, told.all
    (result,) = told.json["scenarios"]
    assert (result["verdict"], result["engine"], result["notebook"]) == ("survived", "local", "a.ipynb")
    (struck,) = result["struck"]
    assert struck["bit"]
    assert struck["before"]["state"] == "running"
    assert struck["after"]["state"] == "gone"
    assert {stage["stage"]: stage["attempts"] for stage in result["stages"]} == {"load": 1, "fit": 2, "plot": 1}
    evidence = json.loads((ready.folder / ".j2k" / "evidence.json").read_text())
    verify, entry = evidence["entries"]
    assert (verify["scenario"], verify["verdict"]) == ("verify", "equal")
    assert (entry["scenario"], entry["verdict"]) == ("kill-stage-2", "survived")
    assert {"notebook", "pipeline", "recording", "scenario file"} <= set(entry["of"])
    ready.nobody_is_left()
    ready.nothing_is_half_written()


@pytest.mark.parametrize(
    "name",
    ["damage-blob-stage-2", "truncate-blob-stage-2", "remove-snapshot-stage-3", "kill-j2k", "terminate-stage-fit"],
)
def test_a_scenario_that_ships_is_survived(ready: Desk, name: str) -> None:
    (result,) = ready.j2k("scenario", name, "--json").json["scenarios"]
    assert result["verdict"] in {"survived", "survived late"}, result["why"]
    ready.nobody_is_left()


def test_a_pipeline_that_does_not_survive_is_broken(ready: Desk) -> None:
    name = scenario(ready, "too-often", "method: [{fault: kill, times: 3}]", "expect: {attempts: 3}")
    told = ready.j2k("scenario", name)
    assert told.code == 6
    assert "broken" in told.all
    assert "its process was lost 3 times" in told.all


def test_a_fault_that_can_not_be_made_makes_the_scenario_invalid(ready: Desk) -> None:
    name = scenario(ready, "nothing-there", "stage: '1'", "method: [{fault: remove-snapshot, point: taken}]")
    told = ready.j2k("scenario", name)
    assert told.code == 7
    assert "nothing is handed over to load" in told.all


def test_a_point_that_is_never_reached_makes_the_scenario_invalid(ready: Desk) -> None:
    name = scenario(ready, "never", "method: [{fault: kill, point: snapshot, stage: plot}]")
    told = ready.j2k("scenario", name)  # the last stage hands nothing over
    assert told.code == 7
    assert "never came to the point" in told.all


def test_a_strike_that_never_happens_beside_one_that_does_makes_the_scenario_invalid(ready: Desk) -> None:
    name = scenario(ready, "half", "method: [{fault: kill}, {fault: kill, point: snapshot, stage: plot}]")
    told = ready.j2k("scenario", name)
    assert told.code == 7
    assert "never came to kill plot, while its snapshot is half written" in told.all


def test_a_fault_strikes_the_cell_that_runs_at_a_share_of_the_expected_time(ready: Desk) -> None:
    ready.notebook("slow.ipynb", "import time", ("x = 1", "stage:work"), "time.sleep(1)", "y = 2")
    ready.equal("up", "slow.ipynb")
    name = scenario(ready, "half-way", "method: [{fault: kill, cell: '50%'}]")
    (result,) = ready.j2k("scenario", name, "--notebook", "slow.ipynb", "--json").json["scenarios"]
    assert (result["verdict"], result["struck"][0]["point"]) == ("survived", "in cell 2")


def test_a_power_cut_is_survived_and_says_what_was_lost(ready: Desk) -> None:
    (result,) = ready.j2k("scenario", "power-cut-stage-2", "--json").json["scenarios"]
    assert result["verdict"] == "survived", result["why"]
    (struck,) = result["struck"]
    assert struck["process"] == "worker"
    assert "not on the disk, and lost: " in struck["told"]
    assert "result.json" not in struck["told"]


def test_a_scenario_that_is_killed_leaves_nothing_broken_to_the_next(ready: Desk) -> None:
    name = scenario(ready, "hang", "method: [{fault: stop, process: worker}]", "timeout: 60")
    process = ready.start("scenario", name)
    ready.until(lambda: any("T" in state for state in _states(ready)), process)
    process.kill()
    ready.end(process)
    assert (ready.folder / ".j2k" / "scenarios" / "struck.json").exists()
    told = ready.j2k("scenario", "kill-stage-2")
    assert told.code == 0, told.all
    assert "an earlier scenario was cut off" in told.all
    assert not (ready.folder / ".j2k" / "scenarios" / "struck.json").exists()
    assert not list((ready.folder / ".j2k" / "exchange" / "runs").glob("*/holds/*"))
    ready.nobody_is_left()


def test_several_scenarios_give_a_page_and_a_file_for_ci(ready: Desk) -> None:
    told = ready.j2k("scenario", "kill-stage-2", "send-twice-stage-3", "--junit", "verdicts.xml", "--json")
    assert told.code == 0, told.all
    assert [result["verdict"] for result in told.json["scenarios"]] == ["survived", "survived"]
    page = (ready.folder / ".j2k" / "scenarios.html").read_text()
    assert "kill-stage-2" in page
    assert "send-twice-stage-3" in page
    cases = ET.parse(ready.folder / "verdicts.xml").getroot().iter("testcase")
    assert len(list(cases)) == 2


def test_the_page_keeps_what_earlier_calls_found_as_long_as_it_holds(ready: Desk) -> None:
    page = ready.folder / ".j2k" / "scenarios.html"
    assert ready.j2k("scenario", "kill-stage-2", "-q").code == 0
    assert ready.j2k("scenario", "send-twice-stage-3", "-q").code == 0
    assert "kill-stage-2" in page.read_text()
    assert "send-twice-stage-3" in page.read_text()
    cut_off = ready.folder / ".j2k" / "scenarios" / "results" / "a.ipynb-send-twice-stage-3.json"
    cut_off.write_bytes(cut_off.read_bytes()[:100])
    assert ready.j2k("scenario", "kill-stage-3", "-q").code == 0
    assert "kill-stage-2" in page.read_text()
    assert "send-twice-stage-3" not in page.read_text(), "what is damaged is left out"
    ready.notebook("a.ipynb", *STAGES[:2], ("print(a, b, 'edited')", "stage:plot"))
    assert ready.j2k("scenario", "kill-stage-3", "-q").code == 0
    assert "kill-stage-2" not in page.read_text(), "it was a verdict on another notebook"


def test_the_list_shows_what_there_is_and_the_latest_verdict(ready: Desk) -> None:
    assert ready.j2k("scenario", "kill-stage-2", "-q").code == 0
    told = ready.j2k("scenario", "--list", "--json")
    listed = {one["scenario"]: one for one in told.json["scenarios"]}
    assert len(listed) >= 20
    assert listed["kill-stage-2"]["verdict"] == "survived"
    assert listed["restart-broker"]["verdict"] == ""
    assert listed["restart-broker"]["engines"] == ["kind"]
    assert "kill-stage-2" in ready.j2k("scenario", "--list").stdout


def test_a_verdict_that_was_changed_by_hand_counts_for_nothing_and_is_told(ready: Desk) -> None:
    assert ready.j2k("scenario", "kill-stage-2", "-q").code == 0
    file = ready.folder / ".j2k" / "evidence.json"
    told = json.loads(file.read_text())
    told["entries"][-1]["recovery"] = 0.001
    file.write_text(json.dumps(told))
    told = ready.j2k("scenario", "--list", "--json").json
    assert {one["scenario"]: one["verdict"] for one in told["scenarios"]}["kill-stage-2"] == ""
    (doubt,) = told["doubts"]
    assert "the verdict on kill-stage-2 (local) counts for nothing: its signature does not fit" in doubt


def test_a_verdict_is_stale_once_the_notebook_changed(ready: Desk) -> None:
    assert ready.j2k("scenario", "kill-stage-2", "-q").code == 0
    ready.notebook("a.ipynb", *STAGES[:-1], ("print(a, b, c, 1)", "stage:plot"))
    listed = {one["scenario"]: one for one in ready.j2k("scenario", "--list", "--json").json["scenarios"]}
    assert listed["kill-stage-2"]["stale"] == ["the notebook changed"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["kil-stage-2"], "near it: kill-stage"),
        (["kill-stage-7"], "there are 1 load, 2 fit, 3 plot"),
        (["restart-broker"], "restart-broker is nothing for the engine local (--engine kind)"),
        ([], "name scenarios, or say --all or --random"),
        (["kill-stage-2", "--all"], "name scenarios, or say --all or --random"),
        (["missing.yaml"], "missing.yaml can't be read"),
    ],
)
def test_what_can_not_be_is_refused_by_name(ready: Desk, arguments: list[str], told: str) -> None:
    answer = ready.j2k("scenario", *arguments)
    assert answer.code == 2
    assert told in answer.all


def test_a_new_scenario_runs_as_it_is(ready: Desk) -> None:
    assert ready.j2k("scenario", "--new", "mine").code == 0
    assert ready.j2k("scenario", "mine", "-q").code == 0
    again = ready.j2k("scenario", "--new", "mine")
    assert again.code == 2
    assert "is there already" in again.all


def test_faults_by_chance_are_survived_and_can_be_had_again(ready: Desk) -> None:
    told = ready.j2k("scenario", "--random", "2", "--seed", "5", "--json")
    assert told.code == 0, told.all
    (result,) = told.json["scenarios"]
    assert (result["scenario"], result["verdict"], len(result["struck"])) == ("random-5", "survived", 2)
    again = ready.j2k("scenario", ".j2k/scenarios/random-5.yaml", "--json").json["scenarios"][0]
    # Stages go on beside one another: which fault strikes first is up to the machine.
    faults = [sorted((struck["fault"], struck["stage"]) for struck in one["struck"]) for one in (result, again)]
    assert faults[0] == faults[1]


def test_no_scenario_while_another_run_goes_on(ready: Desk) -> None:
    ready.notebook("long.ipynb", ("import time", "stage:load"), ("time.sleep(5)", "stage:wait"))
    going = ready.start("run", "long.ipynb")
    ready.until(lambda: ready.running("zygote"), going)
    told = ready.j2k("scenario", "kill-stage-2", "--notebook", "a.ipynb")
    assert told.code == 4
    assert "goes on" in told.all
    assert ready.end(going).code == 0


def test_ctrl_c_ends_everything_and_holds_nobody(ready: Desk) -> None:
    name = scenario(ready, "hang", "method: [{fault: stop, process: worker}]", "timeout: 60")
    process = ready.start("scenario", name)
    logs = ready.folder / ".j2k" / "scenarios"
    ready.until(lambda: any("T" in state for state in _states(ready)), process)
    process.send_signal(signal.SIGINT)
    assert ready.end(process).code == 130
    ready.nobody_is_left()
    assert not list((ready.folder / ".j2k" / "exchange" / "runs").glob("*/holds/*"))
    assert list(logs.glob("*.log"))


def _states(desk: Desk) -> list[str]:
    found = []
    for process in desk.processes():
        try:
            stat = Path(f"/proc/{process}/stat").read_text()
        except OSError:
            continue
        found.append(stat.rpartition(")")[2].split()[0])
    return found
