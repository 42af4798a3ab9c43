"""What the making commands return and write; that they work end to end is tested with the engine."""

import json
from pathlib import Path

import pytest

from j2k_dev.cli.make import exit_code, results
from j2k_dev.engine import workspace as ws
from j2k_dev.model.recording import CellError
from j2k_dev.model.run import RunSummary, Verdict


@pytest.mark.parametrize(("verdict", "code"), [("equal", 0), ("different", 3), ("failed", 5), ("unverified", 0)])
def test_the_exit_code_says_the_verdict(verdict: Verdict, code: int) -> None:
    assert exit_code(RunSummary("r1", "local", verdict, ())) == code


def test_a_cell_that_raised_is_the_notebooks_own_failure() -> None:
    error = CellError(3, "ValueError", "no", ())
    assert exit_code(RunSummary("r1", "local", "failed", (), error=error)) == 1


def test_only_results_that_are_there_are_named(workspace: ws.Workspace) -> None:
    paths = workspace.run("r1")
    paths.files.mkdir(parents=True)
    ws.write_text(paths.report, "x")
    assert results(paths) == {"report": paths.report}


NOTEBOOKS = {
    "absent": None,
    "text": "hello",
    "number": "1",
    "empty": "",
    "no-cells": json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}),
}


@pytest.mark.parametrize("command", ["up", "record", "plan", "run", "verify"])
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_bad_notebook_is_exit_2_in_every_command_and_leaves_nothing(
    name: str, command: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from j2k_dev.cli.main import main

    if (text := NOTEBOOKS[name]) is not None:
        (folder / f"{name}.ipynb").write_text(text)
    before = sorted(folder.iterdir())
    assert main([command, f"{name}.ipynb"]) == 2
    told = capfd.readouterr()
    assert name in told.err
    assert "Traceback" not in told.err
    assert not told.out
    assert sorted(folder.iterdir()) == before


def test_parameters_are_checked_before_anything_is_done(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from j2k_dev.cli.main import main

    assert main(["up", "a.ipynb", "-p", "no value", "--json"]) == 2
    assert json.loads(capfd.readouterr().out)["error"]["exit_code"] == 2


@pytest.mark.e2e
def test_a_recording_of_a_cell_that_raises_is_exit_1_with_its_traceback(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from j2k_dev.cli.main import main

    cell: dict[str, object] = {
        "cell_type": "code",
        "metadata": {},
        "outputs": [],
        "execution_count": None,
        "source": "{}['rows']",
    }
    document = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    (folder / "a.ipynb").write_text(json.dumps(document))
    assert main(["record", "a.ipynb"]) == 1
    told = capfd.readouterr()
    assert "KeyError: 'rows'" in told.err
    assert "{}['rows']" in told.err
    assert main(["record", "a.ipynb", "--json"]) == 1
    assert json.loads(capfd.readouterr().out)["error"]["ename"] == "KeyError"
