"""Every example, and outside notebooks, give in a container what they give here: the image has all that they need."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

from j2k_dev.engine.reprozip import candidates, why_not
from j2k_dev.model.errors import Refused
from j2k_dev.sandbox.docker_engine.engine import connect
from tests.outside.corpus import Home, Notebook, load, sample
from tests.packaging.inside import run_both
from tests.sampling import commit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient

pytestmark = [pytest.mark.cluster, pytest.mark.pipeline]

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOKS = sorted(path.name for path in EXAMPLES.glob("*.ipynb"))
SAMPLE = 15

CHOSEN = sample(load(), commit(), SAMPLE)


@pytest.fixture(scope="module")
def client() -> Iterator[DockerClient]:
    client = connect()
    yield client
    client.close()


@pytest.fixture(scope="module", autouse=True)
def tracer() -> None:
    reasons = [why_not(python) for python in candidates()]
    if None not in reasons:
        pytest.skip(f"ReproZip can't trace here: {reasons}")


@pytest.fixture(scope="module")
def home() -> Home:
    home = Home.for_requirements()
    home.prepare()
    return home


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_an_example_gives_in_a_container_what_it_gives_here(name: str, client: DockerClient, tmp_path: Path) -> None:
    folder = shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns(".j2k"))
    pair = run_both(client, folder / name)
    assert (pair.tried.failure, pair.tried.error) == ("", None)
    assert pair.differences == ()


@pytest.mark.outside
@pytest.mark.parametrize("notebook", CHOSEN, ids=str)
def test_an_outside_notebook_gives_in_a_container_what_it_gives_here_or_is_refused(
    notebook: Notebook, client: DockerClient, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in os.environ.keys() - home.environment().keys():
        monkeypatch.delenv(name)
    for name, value in home.environment().items():
        monkeypatch.setenv(name, value)
    source = home.source(notebook.package) / notebook.path
    folder = shutil.copytree(source.parent, tmp_path / source.parent.name, symlinks=True)
    try:
        pair = run_both(client, folder / source.name, home.python)
    except Refused as refused:
        if "in its Python's own folders" not in refused.message:
            raise
        return
    assert pair.tried.failure == ""
    errors = [error and (error.cell, error.ename, error.evalue) for error in (pair.recording.error, pair.tried.error)]
    assert errors[0] == errors[1]
    assert pair.differences == ()


def test_a_lazy_import_a_file_beside_a_module_and_a_program_are_there(client: DockerClient, tmp_path: Path) -> None:
    """What the recording did not use, but a run with other parameters would."""
    cells = [
        "import os\nif os.path.exists('/never'):\n    import asyncio.subprocess, sqlite3, wave, sklearn.datasets",
        "!ls /usr/share/zoneinfo/Europe/Berlin && echo through the shell",
        "%%bash\necho from bash; uname",
        "import ssl, zoneinfo\nzoneinfo.ZoneInfo('Pacific/Auckland')",
        "len(os.listdir(ssl.get_default_verify_paths().openssl_capath)) > 9",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(notebook, tmp_path / "lazy.ipynb")
    pair = run_both(client, tmp_path / "lazy.ipynb")
    assert (pair.tried.failure, pair.tried.error) == ("", None)
    assert pair.differences == ()
    assert "through the shell" in str(pair.tried.outputs[1])
