"""Doing nothing costs nothing; what changed is done again, and nothing else."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.desk import Desk

pytestmark = pytest.mark.e2e

CELLS = ("import time\nprint(1)", "print(open('data.csv').read())", "open('out.txt', 'w').write('x')\nprint(3)")
NOTHING = "nothing changed since the run"


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """Lay out a notebook that reads one file and writes another, and run it once."""
    (desk.folder / "data.csv").write_text("1,2")
    desk.notebook("a.ipynb", *CELLS)
    desk.equal("up", "a.ipynb", "--split", "cells")
    return desk


def again(desk: Desk, *arguments: str) -> str:
    """Run once more and give what was said on the way."""
    told = desk.j2k("up", "a.ipynb", "--split", "cells", *arguments)
    assert told.code == 0, told.all
    return told.stderr


def edit(desk: Desk, change: dict[str, Any]) -> None:
    path = desk.folder / "a.ipynb"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))


def document(desk: Desk) -> dict[str, Any]:
    content = json.loads((desk.folder / "a.ipynb").read_text())
    assert isinstance(content, dict)
    return content


def test_with_nothing_changed_it_says_so_every_time(desk: Desk) -> None:
    told = [desk.j2k("up", "a.ipynb", "--split", "cells") for _ in range(3)]
    assert all(NOTHING in one.stderr for one in told)


def test_what_the_notebook_does_not_read_changes_nothing(desk: Desk) -> None:
    (desk.folder / "run.log").write_text("a log redirected here")
    (desk.folder / "other.ipynb").write_text("{}")
    os.utime(desk.folder / "data.csv")
    assert NOTHING in again(desk)


def test_markdown_changes_nothing(desk: Desk) -> None:
    edit(desk, {"cells": [*document(desk)["cells"], {"cell_type": "markdown", "metadata": {}, "source": "the end"}]})
    assert NOTHING in again(desk)


def test_stored_outputs_change_nothing(desk: Desk) -> None:
    cells = document(desk)["cells"]
    cells[0]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "stale"}]
    cells[0]["execution_count"] = 17
    edit(desk, {"cells": cells})
    assert NOTHING in again(desk)


def test_metadata_that_names_the_same_python_changes_no_result(desk: Desk) -> None:
    edit(desk, {"metadata": {"language_info": {"name": "python", "version": "3.99"}, "title": "x"}})
    assert NOTHING in again(desk)


def test_a_file_that_is_read_makes_a_new_recording(desk: Desk) -> None:
    (desk.folder / "data.csv").write_text("3,4")
    told = again(desk)
    assert "recording a.ipynb" in told
    assert desk.outputs(desk.equal("up", "a.ipynb", "--split", "cells"))[1] == "3,4\n"


def test_after_an_edit_of_the_last_cell_the_stages_before_it_are_reused(desk: Desk) -> None:
    cells = document(desk)["cells"]
    cells[2]["source"] += "\nprint('edited')"
    edit(desk, {"cells": cells})
    told = again(desk)
    assert "stage-1: reused" in told
    assert "stage-2: reused" in told
    assert "stage-3: published" in told
    assert "something differs" not in told, "the notebook's own old file, in a stage taken over, is no result"
    assert desk.outputs(desk.equal("up", "a.ipynb", "--split", "cells"))[2] == "3\nedited\n"


def test_fresh_does_everything_again(desk: Desk) -> None:
    told = again(desk, "--fresh")
    assert "recording a.ipynb" in told
    assert "reused" not in told


def test_run_fresh_keeps_the_recording(desk: Desk) -> None:
    told = desk.j2k("run", "a.ipynb", "--split", "cells", "--fresh")
    assert told.code == 0
    assert "recording a.ipynb" not in told.stderr
    assert "stage-1: published" in told.stderr


def test_the_files_that_it_wrote_are_results_and_not_in_the_folder(desk: Desk) -> None:
    results = Path(desk.equal("up", "a.ipynb", "--split", "cells")["results"])
    assert [file.name for file in (results / "files").iterdir()] == ["out.txt"]
    assert not (desk.folder / "out.txt").exists()
