"""What is no good in a workspace is removed, and nothing else."""

import hashlib
import os
from pathlib import Path

import pytest

from j2k_dev.actions.leftovers import remove_damaged, sweep
from j2k_dev.engine import workspace as ws


@pytest.fixture
def workspace(tmp_path: Path) -> ws.Workspace:
    workspace = ws.open_workspace(tmp_path / "a.ipynb")
    os.utime(workspace.marker, (1, 1))
    return workspace


def put(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_what_was_half_written_goes(workspace: ws.Workspace) -> None:
    places = [workspace.root, workspace.recordings / "key", workspace.runs / "r1", workspace.exchange / "known"]
    leftovers = [put(place / ".tmp-x") for place in places]
    kept = [put(place / "whole.json") for place in places]
    sweep(workspace)
    assert not any(path.exists() for path in leftovers)
    assert all(path.exists() for path in kept)


def test_what_the_notebook_made_stays_whatever_its_name(workspace: ws.Workspace) -> None:
    theirs = put(workspace.runs / "r1" / "files" / ".tmp-mine")
    sweep(workspace)
    assert theirs.exists()


def test_while_the_workspace_is_being_made_another_command_may_write_there(workspace: ws.Workspace) -> None:
    os.utime(workspace.marker)
    theirs = put(workspace.root / ".tmp-x")
    sweep(workspace)
    assert theirs.exists()


def test_what_is_not_what_its_name_says_goes(workspace: ws.Workspace) -> None:
    name = hashlib.sha256(b"content").hexdigest()
    blobs, snapshots = workspace.exchange / "blobs" / name[:2], workspace.exchange / "snapshots"
    good, bad = put(blobs / name, b"content"), put(snapshots / name, b"cont")
    assert remove_damaged(workspace) == 1
    assert (good.exists(), bad.exists()) == (True, False)
