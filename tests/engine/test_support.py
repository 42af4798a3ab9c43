"""The support folder: what travels into the notebook's interpreter."""

import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from j2k_dev.engine.support import LAUNCHER, cache_folder, support_folder
from j2k_dev.model.errors import MachineryFailed


def test_everything_that_travels_can_be_imported_from_it_alone(tmp_path: Path) -> None:
    folder = support_folder(tmp_path)
    program = (
        f"import sys; sys.path.append({str(folder)!r}); import cloudpickle, j2k_dev.model.run, j2k_dev.worker, "
        "j2k_dev.recording, j2k_dev.notebook; print(j2k_dev.__file__, cloudpickle.__file__, sep='\\n')"
    )
    # -I -S: neither the folder that the tests run in nor what is installed here.
    told = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    assert [Path(line).parent.parent for line in told.stdout.splitlines()] == [folder, folder]


def test_only_what_travels_is_in_it(tmp_path: Path) -> None:
    folder = support_folder(tmp_path)
    assert {entry.name for entry in folder.iterdir()} == {LAUNCHER, "cloudpickle", "j2k_dev"}
    packages = {"__init__.py", "model", "notebook", "recording", "worker"}
    assert {entry.name for entry in (folder / "j2k_dev").iterdir()} == packages


def test_it_is_built_once(tmp_path: Path) -> None:
    first = support_folder(tmp_path)
    before = (first / LAUNCHER).stat()
    assert support_folder(tmp_path) == first
    assert os.path.samestat((first / LAUNCHER).stat(), before)
    assert [entry.name for entry in (tmp_path / "support").iterdir()] == [first.name]


def test_many_build_it_at_once(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        folders = set(pool.map(support_folder, [tmp_path] * 8, timeout=100))
    assert len(folders) == 1
    assert list((tmp_path / "support").iterdir()) == list(folders)


def test_what_a_cleaner_of_caches_took_is_put_back(tmp_path: Path) -> None:
    folder = support_folder(tmp_path)
    lost, cut = folder / "j2k_dev" / "model" / "run.py", folder / "cloudpickle" / "__init__.py"
    whole = lost.read_bytes(), cut.read_bytes()
    lost.unlink()
    cut.write_bytes(b"")
    assert support_folder(tmp_path) == folder
    assert (lost.read_bytes(), cut.read_bytes()) == whole
    assert list((tmp_path / "support").iterdir()) == [folder]


def test_a_cache_that_can_not_be_written_names_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(MachineryFailed, match="can't be written") as caught:
        support_folder(tmp_path / "cache")
    assert "J2K_CACHE" in caught.value.way_out


def test_the_cache_is_where_the_user_wants_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("J2K_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "j2k"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "j2k"
    monkeypatch.setenv("J2K_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
