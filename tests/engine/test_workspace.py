"""The workspace: where things lie, who may write, how it is written, what is removed."""

import contextlib
import errno
import json
import os
import re
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from j2k_dev.engine import workspace as ws
from j2k_dev.model.errors import BadInput, MachineryFailed, Refused


def contents(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


class TestOpening:
    def test_it_lies_beside_the_notebook_and_is_ignored_by_git(self, notebook: Path) -> None:
        workspace = ws.open_workspace(notebook)
        assert workspace.root == notebook.parent / ".j2k"
        assert (workspace.root / ".gitignore").read_text() == "*\n"
        assert contents(notebook.parent) == {"analysis.ipynb", ".j2k"}

    def test_it_lies_elsewhere_where_asked(self, notebook: Path, tmp_path: Path) -> None:
        assert ws.open_workspace(notebook, tmp_path / "a" / "b").root == tmp_path / "a" / "b"
        assert contents(notebook.parent) == {"analysis.ipynb"}

    def test_a_relative_path_is_made_absolute(self, notebook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(notebook.parent)
        assert ws.open_workspace(Path(notebook.name)).root == notebook.parent / ".j2k"

    def test_opening_again_changes_nothing(self, notebook: Path, workspace: ws.Workspace) -> None:
        before = workspace.marker.stat()
        ws.open_workspace(notebook)
        assert os.path.samestat(workspace.marker.stat(), before)

    def test_many_open_it_at_once(self, notebook: Path) -> None:
        failures: list[BaseException] = []

        def open_it() -> None:
            try:
                workspace = ws.open_workspace(notebook)
                workspace.runs.mkdir(exist_ok=True)
            except BaseException as error:  # noqa: BLE001 - handed to the test
                failures.append(error)

        threads = [threading.Thread(target=open_it) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert not failures
        assert contents(notebook.parent / ".j2k") == {".gitignore", "workspace.json", "runs"}

    def test_a_file_in_its_place_is_bad_input_with_a_way_out(self, notebook: Path) -> None:
        (notebook.parent / ".j2k").write_text("mine")
        with pytest.raises(BadInput, match="can't be written") as caught:
            ws.open_workspace(notebook)
        assert "--workspace DIR" in caught.value.way_out

    def test_a_folder_that_can_not_be_written_is_bad_input(self) -> None:
        with pytest.raises(BadInput, match="can't be written"):
            ws.open_workspace(Path("/proc/analysis.ipynb"))

    def test_a_folder_of_somebody_else_keeps_its_own_files(self, notebook: Path, tmp_path: Path) -> None:
        theirs = tmp_path / "theirs"
        (theirs / "runs").mkdir(parents=True)
        with pytest.raises(BadInput, match="holds runs, which j2k did not make"):
            ws.open_workspace(notebook, theirs)
        assert contents(theirs) == {"runs"}

    def test_git_goes_on_seeing_the_files_of_a_shared_folder(self, notebook: Path) -> None:
        workspace = ws.open_workspace(notebook, notebook.parent)
        assert contents(workspace.root) == {"analysis.ipynb", "workspace.json"}

    def test_a_workspace_of_a_newer_version_is_refused(self, notebook: Path, workspace: ws.Workspace) -> None:
        workspace.marker.write_text(json.dumps({"j2k": "9.0", "format": ws.FORMAT + 1}))
        with pytest.raises(Refused, match=r"newer j2k \(9\.0\)"):
            ws.open_workspace(notebook)


class TestFinding:
    def test_it_is_found_from_the_notebook_or_its_folder(self, notebook: Path, workspace: ws.Workspace) -> None:
        assert ws.find_workspace(notebook) == ws.find_workspace(notebook.parent) == workspace

    def test_nothing_is_made_by_looking(self, notebook: Path) -> None:
        with pytest.raises(BadInput, match="has kept nothing"):
            ws.find_workspace(notebook)
        assert contents(notebook.parent) == {"analysis.ipynb"}

    def test_one_nearby_is_named(self, workspace: ws.Workspace, tmp_path: Path) -> None:
        with pytest.raises(BadInput) as caught:
            ws.find_workspace(tmp_path)
        assert str(workspace.root) in caught.value.way_out

    def test_runs_are_named_with_the_latest_first(self, workspace: ws.Workspace) -> None:
        for name, started in (("b", 2.0), ("a", 3.0), ("c", 1.0)):
            ws.write_json(workspace.run(name).summary, {"started": started})
        (workspace.runs / "unfinished").mkdir()
        assert workspace.run_names() == ("unfinished", "a", "b", "c")


NO_MOUNTS = 77
FULL = f"""
mount -t tmpfs -o size=256k tmpfs "$1" || exit {NO_MOUNTS}
exec "$2" - "$1" <<'PROGRAM'
import os, sys
from pathlib import Path
from j2k_dev.engine import workspace
from j2k_dev.model.errors import MachineryFailed
folder = Path(sys.argv[1])
workspace.write_json(folder / "old.json", "old")
try:
    workspace.write_json(folder / "old.json", "n" * 500_000)
except MachineryFailed as error:
    print(error.message.partition(" at ")[0])
print(os.listdir(folder))
print(workspace.read_json(folder / "old.json"))
PROGRAM
"""


@contextlib.contextmanager
def little_room() -> Iterator[None]:
    """Let no file grow above 64 KiB: the kernel answers EFBIG where a full disk answers ENOSPC.

    For a moment only: the tests' own output may go to a file.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class TestWriting:
    def test_what_was_written_is_read(self, tmp_path: Path) -> None:
        value = {"ä": [1, 2.5, None, "\ud800"]}
        ws.write_json(tmp_path / "deep" / "value.json", value)
        assert ws.read_json(tmp_path / "deep" / "value.json") == value
        assert contents(tmp_path / "deep") == {"value.json"}

    def test_others_may_read_it_as_the_umask_says(self, tmp_path: Path) -> None:
        ws.write_text(tmp_path / "a", "x")
        (tmp_path / "b").touch()
        assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode

    def test_a_failed_write_leaves_the_old_content_and_nothing_else(self, tmp_path: Path) -> None:
        file = tmp_path / "value.json"
        ws.write_json(file, "old")
        with pytest.raises(OSError, match="File too large"), little_room():
            ws.write_json(file, "n" * 100_000)
        assert ws.read_json(file) == "old"
        assert contents(tmp_path) == {"value.json"}

    def test_a_full_disk_is_said_and_leaves_nothing_behind(self, tmp_path: Path) -> None:
        answer = subprocess.run(
            ["unshare", "--mount", "sh", "-c", FULL, "sh", str(tmp_path), sys.executable],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if answer.returncode == NO_MOUNTS or answer.stderr.startswith("unshare:"):
            pytest.skip(f"SKIPPED, no full disk was tried, because a small one can't be mounted: {answer.stderr}")
        said, left, content = answer.stdout.splitlines()
        assert re.fullmatch(r"disk full: [\d,]+ bytes free", said)
        assert (left, content) == ("['old.json']", "old")

    def test_other_errors_are_no_full_disk(self) -> None:
        assert ws.is_disk_full(OSError(errno.ENOSPC, "full"))
        assert not ws.is_disk_full(OSError(errno.EACCES, "no"))

    def test_a_full_disk_names_the_room_that_is_left(self, tmp_path: Path) -> None:
        error = ws.disk_full(tmp_path / "not" / "there")
        assert isinstance(error, MachineryFailed)
        assert f"bytes free at {tmp_path}" in error.message

    def test_nothing_to_read_is_none(self, tmp_path: Path) -> None:
        assert ws.read_json(tmp_path / "none.json", pytest.fail) is None

    @pytest.mark.parametrize("damaged", [b"", b'{"a": 1', b"\xff\xfe\x00"])
    def test_damaged_json_is_absent_and_said(self, tmp_path: Path, damaged: bytes) -> None:
        (tmp_path / "a.json").write_bytes(damaged)
        notes: list[str] = []
        assert ws.read_json(tmp_path / "a.json", notes.append) is None
        assert "a.json is damaged" in notes[0]

    def test_readers_never_see_half_of_it(self, tmp_path: Path) -> None:
        file = tmp_path / "value.json"
        ws.write_json(file, [0] * 1000)
        done = threading.Event()
        seen: list[int] = []

        def read() -> None:
            while not done.is_set():
                seen.append(len(ws.read_json(file, pytest.fail)))

        reader = threading.Thread(target=read)
        reader.start()
        for number in range(50):
            ws.write_json(file, [number] * 1000)
        done.set()
        reader.join(30)
        assert set(seen) == {1000}
