"""What a notebook writes outside of its folder is named, and nothing else."""

import tempfile
from pathlib import Path

import pytest

from j2k_dev.actions.outside import outside_notes
from j2k_dev.model.recording import CellRecord, FileUse, Interpreter, Recording


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Lay out a folder with a link to a sibling, as ``../data.csv`` is one."""
    work = tmp_path / ".j2k" / "work"
    (work / "home").mkdir(parents=True)
    (tmp_path / "data.csv").touch()
    (work / "home" / "data.csv").symlink_to(tmp_path / "data.csv")
    return work


def recorded(*uses: FileUse) -> Recording:
    cells = tuple(CellRecord(index, index, (), 0.0, 0.0, 0, files=(use,)) for index, use in enumerate(uses))
    return Recording("key", "a.ipynb", "", Interpreter("python3", "3.11.2", {}), {}, cells, (), 1.0)


def written(path: Path | str) -> FileUse:
    return FileUse(str(path), "written", 1)


def test_an_absolute_path_is_named_with_the_first_cell(work: Path) -> None:
    assert outside_notes(recorded(written("/results/a.csv"), written("/results/a.csv")), work) == (
        "the notebook writes outside its folder: /results/a.csv (cell 0): not isolated, each run writes it again",
    )


def test_a_link_to_a_sibling_is_named_by_where_it_leads(work: Path, tmp_path: Path) -> None:
    (note,) = outside_notes(recorded(written(work / "home" / "data.csv")), work)
    assert f"its folder: {tmp_path / 'data.csv'} (cell 0)" in note


def test_of_many_the_first_are_named(work: Path) -> None:
    (note,) = outside_notes(recorded(*(written(f"/results/{n}") for n in range(5))), work)
    assert "/results/2 (cell 2) and 2 more: not isolated, each run writes them again" in note


@pytest.mark.parametrize(
    "use",
    [
        written("inside.csv"),
        written("../beside.csv"),
        FileUse("/data/input.csv", "read", 1),
        written(f"{tempfile.gettempdir()}/tmpab12_x9z/scratch"),
    ],
)
def test_what_is_isolated_read_or_temporary_is_not_named(work: Path, use: FileUse) -> None:
    assert outside_notes(recorded(use), work) == ()


def test_what_is_laid_out_beside_the_folder_is_isolated(work: Path) -> None:
    assert outside_notes(recorded(written(work / "home" / "new.csv")), work) == ()
