"""Writing a tree for GitOps: whole or not at all, and never over what somebody else wrote."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from j2k_dev.actions.promotion import output as promote_output
from j2k_dev.actions.promotion.output import MARKER, refuse_what_is_there, replace_folder
from j2k_dev.model.errors import BadInput, Refused

if TYPE_CHECKING:
    from pathlib import Path

OURS = {
    "base/kustomization.yaml": "resources: []\n",
    "overlays/prod/kustomization.yaml": "resources: [../../base]\n",
    MARKER: '{"schema": "j2k.dev/promoted-tree/v1"}\n',
}


def written(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_tree_is_written_and_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    folder = tmp_path / "deploy" / "prod"
    replace_folder(folder, OURS)
    assert written(folder) == OURS
    later = {name: text for name, text in OURS.items() if not name.startswith("overlays")}
    replace_folder(folder, later)
    assert written(folder) == later, "what the later tree lacks is gone"
    assert [entry.name for entry in folder.parent.iterdir()] == ["prod"]


def test_a_tree_that_could_not_be_written_leaves_the_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "prod"
    replace_folder(folder, OURS)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(promote_output, "write_text", full)
    with pytest.raises(OSError, match="full"):
        replace_folder(folder, {**OURS, "base/more.yaml": ""})
    assert written(folder) == OURS
    assert [entry.name for entry in tmp_path.iterdir()] == ["prod"]


def test_what_a_killed_command_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / ".j2k-new-prod-abc"
    left.mkdir()
    (left / "half").write_text("x")
    replace_folder(tmp_path / "prod", OURS)
    assert [entry.name for entry in tmp_path.iterdir()] == ["prod"]


def test_a_folder_of_an_earlier_tree_an_empty_one_and_none_are_taken(tmp_path: Path) -> None:
    replace_folder(tmp_path / "prod", OURS)
    (tmp_path / "empty").mkdir()
    for name in ("prod", "empty", "none"):
        refuse_what_is_there(tmp_path / name)


def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(Refused, match="something that j2k did not write"):
        refuse_what_is_there(tmp_path)


def test_an_earlier_tree_that_somebody_added_to_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "prod"
    replace_folder(folder, OURS)
    (folder / "README.md").write_text("mine")
    with pytest.raises(Refused, match=r"holds more than j2k wrote there: README\.md"):
        refuse_what_is_there(folder)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "prod").write_text("x")
    with pytest.raises(BadInput, match="a folder is needed"):
        refuse_what_is_there(tmp_path / "prod")
