"""The commands around a run: splitting, results, looking, cleaning up."""

import json
import shutil
from pathlib import Path

import pytest

from tests.e2e.desk import Desk

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Desk:
    """Leave the run of a notebook with headings and tags; tests here only look at it."""
    desk = Desk(tmp_path_factory.mktemp("done") / "desk", cache)
    desk.folder.mkdir()
    cells = ("%MD # Load", ("a = 1\nprint(a)", "stage:first"), "b = 2", "%MD # Fit", ("print(a + b)", "stage:second"))
    desk.notebook("a.ipynb", *cells, "open('c.txt', 'w').write('c')\nprint('written', flush=True)")
    desk.equal("up", "a.ipynb", "--out", "results")
    return desk


@pytest.mark.parametrize(
    ("split", "names", "cells"),
    [
        ("tags", ["first", "second"], [[1, 2], [4, 5]]),
        ("headings", ["load", "fit"], [[1, 2], [4, 5]]),
        ("auto", ["first", "second"], [[1, 2], [4, 5]]),
        ("cells", None, [[1], [2], [4], [5]]),
    ],
)
def test_stages_begin_where_split_says(done: Desk, split: str, names: list[str] | None, cells: list[list[int]]) -> None:
    told = done.j2k("plan", "a.ipynb", "--split", split, "--json")
    assert told.code == 0
    stages = told.json["stages"]
    assert [stage["cells"] for stage in stages] == cells
    assert names is None or [stage["name"] for stage in stages] == names


def test_out_has_the_results_and_nothing_else(done: Desk) -> None:
    results = done.folder / "results"
    names = ["files", "logs", "notebook.ipynb", "report.html", "run.json"]
    assert sorted(entry.name for entry in results.iterdir()) == names
    assert (results / "files" / "c.txt").read_text() == "c"
    assert json.loads((results / "run.json").read_text())["verdict"] == "equal"


def test_out_over_an_earlier_run_keeps_no_file_of_that_and_all_of_others(desk: Desk) -> None:
    desk.notebook("a.ipynb", "open('old.txt', 'w').write('1')")
    desk.equal("up", "a.ipynb", "--out", "results")
    (desk.folder / "results" / "files" / "mine.txt").touch()
    desk.notebook("a.ipynb", "open('new.txt', 'w').write('1')")
    desk.equal("up", "a.ipynb", "--out", "results")
    assert sorted(file.name for file in (desk.folder / "results" / "files").iterdir()) == ["mine.txt", "new.txt"]


def test_what_the_notebook_writes_outside_its_folder_is_said(desk: Desk) -> None:
    sibling = desk.folder.parent / "results.txt"
    sibling.touch()
    desk.notebook("a.ipynb", "print(1)", "open('../results.txt', 'w').write('written')", "open('mine.txt', 'w')")
    told = desk.j2k("up", "a.ipynb")
    said = f"the notebook writes outside its folder: {sibling} (cell 1): not isolated, each run writes it again"
    assert f"note: {said} notebook" in told.all
    (report,) = (desk.folder / ".j2k" / "runs").glob("*/report.html")
    assert said in report.read_text()
    assert sibling.read_text() == "written"


def test_an_out_that_is_a_file_is_said_before_anything_runs(desk: Desk) -> None:
    desk.notebook("a.ipynb", "1")
    told = desk.j2k("up", "a.ipynb", "--out", "a.ipynb")
    assert told.code == 2
    assert "--out a.ipynb: a file, and a folder is needed" in told.all
    assert not (desk.folder / ".j2k").exists()


def test_status_logs_and_open_speak_json_and_nothing_else(done: Desk) -> None:
    status, logs, page = (done.j2k(command, "--json") for command in ("status", "logs", "open"))
    assert (status.stderr, logs.stderr, page.stderr) == ("", "", "")
    latest = status.json["latest"]
    assert (latest["verdict"], status.json["at_work"]) == ("equal", None)
    assert {"first", "second"} <= logs.json["logs"].keys()
    assert page.json["report"] == str(done.folder / ".j2k" / "runs" / latest["run"] / "report.html")


def test_after_up_plan_and_down_the_folder_is_as_it_was(desk: Desk) -> None:
    desk.notebook("a.ipynb", "a = 1", "print(a)")
    before = sorted(path.name for path in desk.folder.iterdir())
    desk.equal("up", "a.ipynb", "--split", "cells")
    assert desk.j2k("plan", "a.ipynb", "--format", "html").code == 0
    (desk.folder / ".j2k" / "bus.sqlite-bells").mkdir(exist_ok=True)  # as a run that was killed leaves it
    assert desk.j2k("down", "--json").json["kept"] == []
    assert sorted(path.name for path in desk.folder.iterdir()) == before


def test_down_leaves_nothing_of_ours_and_all_of_theirs(done: Desk, desk: Desk) -> None:
    shutil.copytree(done.folder, desk.folder, symlinks=True, dirs_exist_ok=True)
    (desk.folder / ".j2k" / "diary.txt").write_text("mine")
    before = {path: path.read_bytes() for path in desk.folder.iterdir() if path.is_file()}
    told = desk.j2k("down", "--json")
    assert (told.code, told.json["kept"]) == (0, ["diary.txt"])
    assert [path.name for path in (desk.folder / ".j2k").iterdir()] == ["diary.txt"]
    assert {path: path.read_bytes() for path in desk.folder.iterdir() if path.is_file()} == before
    assert (desk.folder / "results" / "run.json").exists()
