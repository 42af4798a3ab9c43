"""Notebooks whose kernel is not Python: one stage, with all that stages have, in a kernel of its own."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.desk import Cell, Desk, kill

pytestmark = pytest.mark.e2e

BASH = {"kernelspec": {"name": "shell", "language": "bash", "display_name": "Bash"}}
KERNEL, SPEAKER = "bash_kernel", "j2k_dev.worker.zygote"


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """Install a Bash kernel for the commands here."""
    share = desk.folder.parent / "share"
    folder = share / "kernels" / "shell"
    folder.mkdir(parents=True)
    argv = [sys.executable, "-m", KERNEL, "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Bash", "language": "bash", "env": {"PS1": "$"}}
    (folder / "kernel.json").write_text(json.dumps(spec))
    return replace(desk, variables={"JUPYTER_PATH": str(share)})


def bash(desk: Desk, *cells: Cell) -> None:
    desk.notebook("a.ipynb", *cells, metadata=BASH)


def test_it_is_one_stage_whose_results_are_the_notebooks_own(desk: Desk) -> None:
    (desk.folder / "in.txt").write_text("input\n")
    bash(
        desk,
        "x=$(cat in.txt); echo hello",
        ("echo $x > out.txt", "stage:more"),
        ("false", "raises-exception"),
        "echo $x",
    )
    document = desk.equal("up", "a.ipynb")
    assert [(stage["name"], stage["cells"]) for stage in document["stages"]] == [("stage-1", [0, 1, 2, 3])]
    assert desk.outputs(document) == ["hello\n", "", "", "input\n"]
    assert (Path(document["results"]) / "files" / "out.txt").read_text() == "input\n"
    assert (
        "the kernel is not Python but bash, whose state can't be split: the notebook runs as one stage"
        in document["notes"]
    )
    assert "no stage begins at cell 1, though asked for there" in document["notes"]
    desk.nobody_is_left()
    again = desk.equal("up", "a.ipynb")
    assert again["run"] == document["run"]
    assert desk.equal("verify", "a.ipynb")["run"] == document["run"]
    (desk.folder / "in.txt").write_text("other\n")
    assert desk.outputs(desk.equal("up", "a.ipynb"))[3] == "other\n"


def test_an_error_ends_it_and_what_was_done_is_kept(desk: Desk) -> None:
    bash(desk, "echo before", "echo partial; false", "echo never")
    told = desk.j2k("up", "a.ipynb", "--json")
    assert (told.code, told.json["verdict"], told.json["error"]["cell"]) == (1, "failed", 1)
    assert desk.outputs(told.json) == ["before\n", "partial\n", ""]
    desk.nobody_is_left()


def test_a_cell_that_takes_too_long_is_named(desk: Desk) -> None:
    bash(desk, "echo before", "read answer")
    told = desk.j2k("up", "a.ipynb", "--timeout", "2")
    assert told.code == 5
    assert "cell 1 ran longer than 2 s (--timeout)" in told.all
    desk.nobody_is_left()


def test_what_can_not_be_done_is_refused_by_name(desk: Desk) -> None:
    bash(desk, "echo 1")
    told = desk.j2k("up", "a.ipynb", "-p", "x=1")
    assert told.code == 2
    assert "-p: j2k sets parameters in Python, and the notebook's language is bash" in told.all
    desk.notebook("r.ipynb", "1", metadata={"kernelspec": {"name": "ir", "language": "R"}})
    told = desk.j2k("up", "r.ipynb")
    assert told.code == 4
    assert "language is r, and its kernel 'ir' is not installed (installed:" in told.all
    assert "shell" in told.all


def victims_of(desk: Desk, who: str) -> list[int]:
    """Name the kernel, or the process that speaks to it, or every process of the run."""
    kernels, family = desk.running(KERNEL), sorted(desk.running(SPEAKER))
    return {"the kernel": kernels, "who speaks to it": family[-1:], "all of them": [*family, *kernels]}[who]


@pytest.mark.parametrize("who", ["the kernel", "who speaks to it", "all of them"])
def test_killed_in_the_middle_the_stage_runs_again(desk: Desk, who: str) -> None:
    gate = desk.folder.parent / "gate"
    waits = f"if [ -p {gate} ]; then touch {gate}.mark; read < {gate}; fi; echo $x"
    bash(desk, "x=7", waits)
    assert desk.j2k("record", "a.ipynb").code == 0
    os.mkfifo(gate)
    process = desk.start("up", "a.ipynb", "--json")
    mark = gate.with_name("gate.mark")
    desk.until(mark.exists, process)
    mark.unlink()
    kill(victims_of(desk, who))
    desk.until(mark.exists, process)  # another attempt runs the cell
    gate.write_text("go on\n")
    told = desk.end(process)
    assert (told.code, told.json["verdict"]) == (0, "equal"), told.all
    assert told.json["stages"][0]["attempts"] == 2
    assert desk.outputs(told.json) == ["", "7\n"]
    assert set(desk.published(told.json).values()) == {1}
    desk.nobody_is_left()
    desk.nothing_is_half_written()
