"""The notebook's folder becomes the first state, and the same surroundings lie around the place where it is used."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from j2k_dev.engine.workdir import Bounds, Inputs, prepare_inputs, work_path
from j2k_dev.model.errors import BadInput, Refused
from j2k_dev.worker.blobs import BlobStore
from j2k_dev.worker.files import changed_originals, materialise, scan, watch_originals

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Project:
    """A notebook in ``home/project/analysis`` with siblings, and its workspace."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "home" / "project" / "analysis"
        self.folder.mkdir(parents=True)
        self.notebook = self.folder / "nb.ipynb"
        self.notebook.write_text("{}")
        self.workspace = self.folder / ".j2k"
        self.blobs = BlobStore(self.workspace / "exchange" / "blobs")

    def write(self, name: str, text: str = "text") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def prepare(self, data: Sequence[Path] = (), bounds: Bounds | None = None) -> Inputs:
        return prepare_inputs(self.notebook, self.workspace, self.blobs, data, bounds)

    def lay_out(self, data: Sequence[Path] = (), bounds: Bounds | None = None) -> Path:
        inputs = self.prepare(data, bounds)
        materialise(inputs.manifest, inputs.work, self.blobs)
        return inputs.work


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_the_copy_keeps_the_names_of_the_folder_and_of_the_one_above(project: Project) -> None:
    assert project.prepare().work == project.workspace / "work" / "project" / "analysis"
    assert work_path(project.notebook, project.workspace) == project.prepare().work


def test_everything_a_notebook_reads_is_there_and_writing_does_not_reach_the_original(project: Project) -> None:
    original = project.write("data/a.csv", "1,2")
    project.write("helpers.py", "x = 1")
    (project.folder / "empty").mkdir()
    work = project.lay_out()
    assert (work / "data/a.csv").read_text() == "1,2"
    assert (work / "empty").is_dir()
    (work / "data/a.csv").write_text("overwritten")
    assert original.read_text() == "1,2"


def test_what_is_no_input_is_left_out_or_only_linked(project: Project) -> None:
    for name in (".j2k/x", ".ipynb_checkpoints/x", "__pycache__/x.pyc", "lib/__pycache__/x.pyc"):
        project.write(name)
    for name in (".git/HEAD", "node_modules/m.js", "env/pyvenv.cfg", "conda/conda-meta/history"):
        project.write(name)
    inputs = project.prepare()
    links = {name for name, entry in inputs.manifest.items() if entry.kind == "symlink"}
    assert links == {".git", "node_modules", "env", "conda"}
    assert set(inputs.manifest) - links == {"lib", "nb.ipynb"}
    assert inputs.originals == ()
    assert inputs.notes == ()


def test_real_siblings_two_levels_up_are_reachable_and_nothing_leads_into_itself(project: Project) -> None:
    (project.folder.parent / "data").mkdir()
    (project.folder.parent / "data" / "d.csv").write_text("near")
    (project.root / "home" / "shared.txt").write_text("far")
    work = project.lay_out()
    assert (work / "../data/d.csv").read_text() == "near"
    assert (work / "../../shared.txt").read_text() == "far"
    assert {path.name for path in work.parent.iterdir()} == {"analysis", "data"}
    assert {path.name for path in work.parent.parent.iterdir()} == {"project", "shared.txt", ".j2k-work"}
    assert scan(work, {}, project.blobs) == project.prepare().manifest


def test_siblings_follow_what_is_really_there(project: Project) -> None:
    sibling = project.folder.parent / "old"
    sibling.mkdir()
    work = project.lay_out()
    sibling.rename(project.folder.parent / "new")
    (work.parent / "clash").write_text("made by a notebook")
    (project.folder.parent / "clash").write_text("real")
    project.prepare()
    assert {path.name for path in work.parent.iterdir()} == {"analysis", "new", "clash"}
    assert (work.parent / "clash").read_text() == "real"


def test_a_workspace_elsewhere_is_not_linked_into_itself(project: Project) -> None:
    project.workspace = project.folder.parent / "workspaces" / "one"
    inputs = project.prepare()
    assert {path.name for path in inputs.work.parent.iterdir()} == {"analysis"}
    assert str(inputs.work).startswith(str(project.workspace))


def test_a_workspace_that_holds_the_notebook_is_refused(project: Project) -> None:
    for workspace in (project.folder, project.folder.parent):
        with pytest.raises(BadInput, match="holds the notebook's own folder"):
            prepare_inputs(project.notebook, workspace, project.blobs)


def test_a_workspace_under_another_name_is_not_copied_into_itself(project: Project) -> None:
    project.workspace = project.folder / "mine"
    project.prepare()
    assert set(project.prepare().manifest) == {"nb.ipynb"}


def test_more_siblings_than_can_be_linked_are_said(project: Project) -> None:
    for number in range(2005):
        (project.folder.parent / f"s{number:04}").touch()
    inputs = project.prepare()
    assert len(list(inputs.work.parent.iterdir())) == 2001
    assert any("2005 entries" in note for note in inputs.notes)


def test_large_files_stay_where_they_are_and_that_is_said(project: Project) -> None:
    big = project.write("big.bin", "x" * 101)
    project.write("small.bin", "x" * 100)
    inputs = project.prepare(bounds=Bounds(file_bytes=100))
    assert inputs.manifest["big.bin"].content == str(big)
    assert inputs.manifest["small.bin"].kind == "file"
    assert inputs.originals == (str(big),)
    assert any(note.startswith("big.bin: is larger than") for note in inputs.notes)


def test_past_the_total_files_stay_where_they_are_and_those_near_the_notebook_come_first(project: Project) -> None:
    project.write("a/deep/far.txt", "x" * 60)
    project.write("near.txt", "x" * 60)
    inputs = project.prepare(bounds=Bounds(total_bytes=100))
    assert inputs.manifest["near.txt"].kind == "file"
    assert inputs.manifest["a/deep/far.txt"].kind == "symlink"


def test_a_subfolder_with_too_many_files_becomes_one_link(project: Project) -> None:
    for number in range(30):
        project.write(f"images/{number}")
    project.write("src/code.py")
    inputs = project.prepare(bounds=Bounds(entries=20))
    assert inputs.manifest["images"].content == str(project.folder / "images")
    assert inputs.manifest["src/code.py"].kind == "file"


def test_a_folder_of_the_notebook_that_is_too_full_is_refused_with_a_way_out(project: Project) -> None:
    for number in range(30):
        project.write(str(number))
    with pytest.raises(Refused, match="more than 20 entries") as refusal:
        project.prepare(bounds=Bounds(entries=2))
    assert "--data" in refusal.value.way_out


def test_data_stays_where_it_is_and_writing_it_is_noticed(project: Project) -> None:
    table = project.write("data/raw/table.csv", "original")
    inputs = project.prepare(data=[project.folder / "data" / "raw"])
    materialise(inputs.manifest, inputs.work, project.blobs)
    assert (inputs.work / "data/raw").readlink() == project.folder / "data" / "raw"
    before = watch_originals(inputs.originals)
    with (inputs.work / "data/raw/table.csv").open("a") as stream:
        stream.write("!")
    assert changed_originals(before, inputs.originals) == (str(table),)


@pytest.mark.parametrize("where", [".", "..", "missing"])
def test_data_that_is_missing_or_holds_the_notebook_is_bad_input(where: str, project: Project) -> None:
    with pytest.raises(BadInput, match="--data"):
        project.prepare(data=[project.folder / where])


def test_the_key_follows_content_and_not_time(project: Project) -> None:
    path = project.write("a.csv", "1")
    key = project.prepare().key
    os.utime(path, ns=(5, 5))
    assert project.prepare().key == key
    path.write_text("2")
    assert project.prepare().key != key


def test_the_key_follows_originals_and_data_outside_but_no_other_notebooks(project: Project, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_text("1")
    (project.folder / "linked").symlink_to(outside)
    first = project.prepare().key
    project.write("other.ipynb")
    project.write(".git/index")
    assert project.prepare().key == first
    (outside / "x").write_text("22")
    second = project.prepare().key
    assert second != first
    (outside / "y").write_text("new")
    assert project.prepare().key != second


def test_links_lead_from_the_copy_to_the_same_place(project: Project, tmp_path: Path) -> None:
    project.write("data/a", "inside")
    (tmp_path / "up").write_text("up")
    targets = {
        "data/relative": "a",
        "absolute-inside": str(project.folder / "data" / "a"),
        "far-up": "../../../up",
        "absolute": str(tmp_path / "up"),
        "dangling": "nowhere",
    }
    for name, target in targets.items():
        (project.folder / name).symlink_to(target)
    work = project.lay_out()
    assert (work / "data/relative").read_text() == "inside"
    assert (work / "absolute-inside").resolve() == work / "data" / "a"
    assert (work / "far-up").read_text() == (work / "absolute").read_text() == "up"
    assert str((work / "dangling").readlink()) == "nowhere"


def test_hard_links_in_the_folder_are_one_file_in_the_copy(project: Project) -> None:
    project.write("z/first")
    (project.folder / "a-second").hardlink_to(project.folder / "z" / "first")
    work = project.lay_out()
    assert (work / "z/first").samefile(work / "a-second")
    assert not (work / "a-second").samefile(project.folder / "a-second")


def test_a_pipe_is_linked_and_said(project: Project) -> None:
    os.mkfifo(project.folder / "pipe")
    inputs = project.prepare()
    assert inputs.manifest["pipe"].content == str(project.folder / "pipe")
    assert any("named pipe" in note for note in inputs.notes)


def test_a_file_that_another_program_keeps_writing_is_refused(project: Project) -> None:
    path = project.write("live.log")

    class WritingBlobs(BlobStore):
        def put_file(self, path: Path) -> str:
            sha = super().put_file(path)
            with path.open("a") as stream:
                stream.write("more")
            return sha

    with pytest.raises(Refused, match="another program writes it"):
        prepare_inputs(project.notebook, project.workspace, WritingBlobs(project.blobs.root))
    assert path.read_text().startswith("text")


def test_nothing_changed_means_nothing_is_read_again(project: Project) -> None:
    for number in range(200):
        project.write(f"d{number % 7}/file {number}", str(number))
    first = project.prepare()
    settle(project.folder)
    project.prepare()

    class NoCopies(BlobStore):
        def put_file(self, path: Path) -> str:
            raise AssertionError(path)

    seconds = []
    for _ in range(7):
        start = time.perf_counter()
        again = prepare_inputs(project.notebook, project.workspace, NoCopies(project.blobs.root))
        seconds.append(time.perf_counter() - start)
    assert again == first
    assert min(seconds) < 0.1, "a scan of stats only: about 10 ms on an idle machine"


def test_an_unreadable_memory_of_hashes_only_costs_time(project: Project) -> None:
    project.write("a")
    first = project.prepare()
    (project.workspace / "inputs.json").write_text("{ torn")
    assert project.prepare() == first


def settle(folder: Path) -> None:
    newest = max(path.lstat().st_ctime_ns for path in folder.rglob("*"))
    deadline = time.monotonic() + 5
    probe = folder.parent.parent / "tick"
    while True:
        probe.write_bytes(b"")
        if probe.stat().st_ctime_ns > newest:
            probe.unlink()
            return
        assert time.monotonic() < deadline
