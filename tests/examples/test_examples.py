"""Every example runs, in one process and as a pipeline, with the same results; none of them carries stored outputs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from j2k_dev.notebook.compare import compare_notebook
from tests.examples.oracle import by_nbclient, outputs

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOKS = sorted(path.name for path in EXAMPLES.glob("*.ipynb"))
SPLITS = ["auto", "cells"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Copy the examples to a place where runs may leave things."""
    return Path(shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns(".j2k")))


def up(path: Path, *options: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "j2k_dev", "up", str(path), "--engine", "local", "--json", *options],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert isinstance(document, dict)
    return document


def test_the_four_examples_are_there() -> None:
    assert NOTEBOOKS == ["files.ipynb", "machine_learning.ipynb", "quickstart.ipynb", "simulation.ipynb"]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_an_example_is_a_valid_notebook_without_stored_outputs(name: str) -> None:
    notebook = nbformat.read(EXAMPLES / name, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert not any(outputs(notebook).values())
    assert {cell.execution_count for cell in notebook.cells if cell.cell_type == "code"} == {None}


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_an_example_says_what_it_shows_and_how_to_run_it(name: str) -> None:
    first = nbformat.read(EXAMPLES / name, as_version=4).cells[0]
    assert first.cell_type == "markdown"
    assert "What this shows:" in first.source
    assert f"j2k up examples/{name}" in first.source


@pytest.mark.e2e
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_an_example_gives_as_a_pipeline_what_nbclient_gives(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    expected = by_nbclient(folder / name)
    for split in SPLITS:
        workspace = folder / f"workspace-{split}"
        document = up(folder / name, "--split", split, "--workspace", str(workspace))
        assert document["verdict"] == "equal"
        assert document["unstable"] == []
        assert len(document["stages"]) > 2
        executed = nbformat.read(workspace / "runs" / document["run"] / "notebook.ipynb", as_version=4)
        assert compare_notebook(expected, outputs(executed)) == ()


@pytest.mark.e2e
def test_the_stages_of_the_quickstart_are_its_headings(folder: Path) -> None:
    document = up(folder / "quickstart.ipynb")
    assert [stage["name"] for stage in document["stages"]] == ["load", "clean", "sum-up", "draw"]


@pytest.mark.e2e
def test_a_half_used_generator_is_not_cut_and_the_note_says_so(folder: Path) -> None:
    document = up(folder / "simulation.ipynb", "--split", "cells")
    (together,) = [stage["cells"] for stage in document["stages"] if len(stage["cells"]) > 1]
    sources = [nbformat.read(folder / "simulation.ipynb", as_version=4).cells[index].source for index in together]
    assert ["next(closing)" in sources[0], "list(closing)" in sources[1]] == [True, True]
