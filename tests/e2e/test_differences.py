"""Results that differ: a boundary is given up where that mends it, and said to be different where nothing does."""

import json
from pathlib import Path

import pytest

from tests.e2e.desk import Desk

pytestmark = pytest.mark.e2e

PID = "import os\npid = os.getpid()\nprint(1)"
SAME = "print(os.getpid() == pid)"
# What only a worker has: no boundary that is given up changes that.
ONLY_IN_WORKERS = "import sys\nprint('j2k_dev.recording.recorder' in sys.modules)"


def test_a_result_that_depends_on_the_process_gives_up_the_boundary_with_a_note(desk: Desk) -> None:
    desk.notebook("a.ipynb", PID, SAME, "print(3)")
    document = desk.equal("up", "a.ipynb", "--split", "cells")
    assert [stage["cells"] for stage in document["stages"]] == [[0, 1], [2]]
    expected = "nothing is handed over after cell 0: with it, stdout of cell 1 differs from the notebook's"
    assert document["notes"][-1] == expected
    assert desk.outputs(document) == ["1\n", "True\n", "3\n"]
    assert desk.equal("up", "a.ipynb", "--split", "cells") == document


def test_in_the_end_the_pipeline_is_the_notebook_itself(desk: Desk) -> None:
    desk.notebook("a.ipynb", PID, *[SAME] * 8)
    document = desk.equal("up", "a.ipynb", "--split", "cells")
    assert [len(stage["cells"]) for stage in document["stages"]] == [9]


def test_a_result_that_nothing_mends_is_different_with_cell_and_both_values(desk: Desk) -> None:
    desk.notebook("a.ipynb", "print(1)", ONLY_IN_WORKERS)
    told = desk.j2k("up", "a.ipynb", "--split", "cells")
    assert told.code == 3
    assert "Cell 1, stdout the notebook gave: True the pipeline gave: False" in told.all
    in_json = desk.j2k("up", "a.ipynb", "--split", "cells", "--json")
    assert (in_json.code, in_json.json["verdict"]) == (3, "different")
    (difference,) = in_json.json["differences"]
    assert (difference["cell"], difference["expected"], difference["actual"]) == (1, "True\n", "False\n")
    assert "not what the notebook itself gives" in (Path(in_json.json["results"]) / "report.html").read_text()
    assert desk.j2k("verify", "a.ipynb").code == 3


def test_what_the_notebook_does_not_reproduce_is_named_and_no_difference(desk: Desk) -> None:
    desk.notebook("a.ipynb", "import random\nprint(1)", "print(random.random())", "print(3)")
    document = desk.equal("up", "a.ipynb", "--split", "cells")
    assert document["unstable"] == [1]
    assert len(document["stages"]) == 3


def test_what_is_unstable_hides_no_difference_beside_it(desk: Desk) -> None:
    desk.notebook("a.ipynb", "import random\nprint(random.random())", ONLY_IN_WORKERS)
    told = desk.j2k("up", "a.ipynb", "--split", "cells", "--json")
    assert (told.code, told.json["unstable"]) == (3, [0])
    assert [difference["cell"] for difference in told.json["differences"]] == [1]


def test_a_new_recording_forgets_what_the_old_one_did_not_reproduce(desk: Desk) -> None:
    data = desk.folder / "data.txt"
    data.write_text("random")
    source = f"import random, sys\nwish = open('data.txt').read()\n{ONLY_IN_WORKERS}"
    desk.notebook("a.ipynb", source.replace("print(", "print(random.random() if wish == 'random' else "))
    assert desk.equal("up", "a.ipynb")["unstable"] == [0]
    data.write_text("certain")
    assert desk.j2k("up", "a.ipynb").code == 3


def test_a_cell_that_raises_in_a_stage_only_gives_up_the_boundary(desk: Desk) -> None:
    desk.notebook("a.ipynb", PID, "assert os.getpid() == pid\nprint(2)")
    document = desk.equal("up", "a.ipynb", "--split", "cells")
    assert len(document["stages"]) == 1
    assert "with it, cell 1 raises AssertionError, which the notebook does not" in document["notes"][-1]


def test_a_file_that_comes_out_different_is_a_difference(desk: Desk) -> None:
    source = f"{ONLY_IN_WORKERS.replace('print(', 'told = str(')}\nopen('told.txt', 'w').write(told)\nprint(1)"
    desk.notebook("a.ipynb", source)
    told = desk.j2k("up", "a.ipynb", "--json")
    assert told.code == 3
    assert [(one["cell"], one["what"]) for one in told.json["differences"]] == [(0, "file told.txt")]


def test_verify_writes_its_verdict_down(desk: Desk) -> None:
    desk.notebook("a.ipynb", "print(1)")
    results = Path(desk.equal("up", "a.ipynb")["results"])
    summary = json.loads((results / "run.json").read_text())
    (results / "run.json").write_text(json.dumps({**summary, "verdict": "unverified"}))
    (results / "report.html").write_text("stale")
    desk.equal("verify", "a.ipynb")
    assert json.loads((results / "run.json").read_text()) == summary
    assert "equal" in (results / "report.html").read_text()
