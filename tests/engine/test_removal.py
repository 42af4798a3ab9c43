"""Removing what j2k keeps: all that is ours goes, and nothing else."""

import subprocess
from pathlib import Path

import pytest

from j2k_dev.engine import workspace as ws
from j2k_dev.engine.removal import remove
from j2k_dev.model.errors import Refused


def contents(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


class TestRemoving:
    def test_all_that_is_ours_goes(self, notebook: Path, workspace: ws.Workspace) -> None:
        ws.write_json(workspace.run("r1").summary, {"started": 1.0})
        ws.write_text(workspace.root / "bug-1.txt", "x")
        removed = remove(workspace)
        assert {"runs", "workspace.json", "bug-1.txt", "lock", ".gitignore"} == set(removed.names)
        assert removed.bytes > 0
        assert contents(notebook.parent) == {"analysis.ipynb"}

    def test_what_is_not_ours_stays(self, notebook: Path, workspace: ws.Workspace) -> None:
        (workspace.root / "diary.txt").write_text("dear diary")
        workspace.root.joinpath(".gitignore").write_text("*.csv\n")
        removed = remove(workspace)
        assert set(removed.kept) == {"diary.txt", ".gitignore"}
        assert contents(notebook.parent / ".j2k") == {"diary.txt", ".gitignore"}

    @pytest.mark.parametrize("name", ["bug-report.md", "bus.sqlite.backup", "inputs.json.mine"])
    def test_what_only_looks_like_ours_stays(self, workspace: ws.Workspace, name: str) -> None:
        (workspace.root / name).write_text("mine")
        assert remove(workspace).kept == (name,)

    def test_what_links_lead_to_stays(self, notebook: Path, workspace: ws.Workspace) -> None:
        data = notebook.parent / "data"
        data.mkdir()
        (data / "big.csv").write_text("1")
        workspace.work.mkdir()
        (workspace.work / "data").symlink_to(data)
        workspace.recordings.symlink_to(data)
        remove(workspace)
        assert (data / "big.csv").read_text() == "1"
        assert not (notebook.parent / ".j2k").exists()

    def test_folders_that_a_notebook_closed_go_too(self, workspace: ws.Workspace) -> None:
        closed = workspace.work / "a" / "closed"
        (closed / "deeper").mkdir(parents=True)
        closed.chmod(0)
        remove(workspace)
        assert not workspace.root.exists()

    def test_a_workspace_where_something_is_at_work_is_left_alone(
        self, workspace: ws.Workspace, other: subprocess.Popen[bytes]
    ) -> None:
        before = contents(workspace.root)
        with pytest.raises(Refused, match=str(other.pid)):
            remove(workspace)
        assert contents(workspace.root) == before
