"""The working directory is written down and laid out again, whatever is in it."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from j2k_dev.model.errors import Refused
from j2k_dev.model.recording import FileUse
from j2k_dev.worker.blobs import BlobStore
from j2k_dev.worker.files import (
    changed_originals,
    changes,
    control_folder,
    hash_file,
    manifest_from_json,
    manifest_to_json,
    materialise,
    scan,
    watch_originals,
)
from tests.worker.files.work_folder import picture, rich_folder, wreck

if TYPE_CHECKING:
    from pathlib import Path

    from tests.worker.files.work_folder import Blobs

AWKWARD = [
    "with space",
    "ünïcode ☃",
    "new\nline",
    ".hidden",
    "-dash",
    "quote'\"",
    "x" * 200,
    "b\udcffyte",
    "a:b #c",
    "*",
]


def settle(folder: Path) -> None:
    """Wait until the file system's clock has left the tick in which files were made: then stats are proof."""
    newest = max(path.lstat().st_ctime_ns for path in [folder, *folder.rglob("*")])
    deadline = time.monotonic() + 5
    probe = folder.parent / "tick"
    while True:
        probe.write_bytes(b"")
        if probe.stat().st_ctime_ns > newest:
            return
        assert time.monotonic() < deadline


def test_a_folder_comes_back_exactly_as_it_was(work: Path, blobs: Blobs) -> None:
    rich_folder(work)
    before = picture(work)
    manifest = scan(work, {}, blobs)
    wreck(work)
    materialise(manifest, work, blobs)
    assert picture(work) == before


def test_a_folder_comes_back_in_another_place(work: Path, blobs: Blobs, tmp_path: Path) -> None:
    rich_folder(work)
    manifest = manifest_from_json(manifest_to_json(scan(work, {}, blobs)))
    materialise(manifest, tmp_path / "elsewhere" / "work", blobs)
    assert picture(tmp_path / "elsewhere" / "work") == picture(work)


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_names_travel(name: str, work: Path, blobs: Blobs, tmp_path: Path) -> None:
    (work / name).mkdir()
    (work / name / name).write_text("content")
    manifest = manifest_from_json(manifest_to_json(scan(work, {}, blobs)))
    materialise(manifest, tmp_path / "again", blobs)
    assert (tmp_path / "again" / name / name).read_text() == "content"


def test_an_untouched_folder_is_neither_read_nor_written(work: Path, blobs: Blobs) -> None:
    for number in range(50):
        (work / f"file {number}").write_text(str(number))
    settle(work)
    manifest = scan(work, {}, blobs)
    blobs.copies = 0
    with opened_files() as opened:
        assert scan(work, manifest, blobs) == manifest
        materialise(manifest, work, blobs)
    assert blobs.copies == 0
    assert [path for path in opened if path.startswith(str(work) + "/")] == []


def test_only_new_content_is_stored(work: Path, blobs: Blobs) -> None:
    (work / "same").write_text("same")
    (work / "changed").write_text("old")
    before = scan(work, {}, blobs)
    blobs.copies = 0
    (work / "same").touch()
    (work / "changed").write_text("new")
    after = scan(work, before, blobs)
    assert blobs.copies == 1
    assert changes(before, after) == (FileUse("changed", "written", 3, hash_file(work / "changed")),)


def test_a_change_of_the_same_size_in_the_same_tick_of_the_clock_is_seen(work: Path, blobs: Blobs) -> None:
    path = work / "counter"
    for number in range(200):
        path.write_text(f"{number:03}")
        manifest = scan(work, {}, blobs)
        assert blobs.path(manifest["counter"].content).read_text() == f"{number:03}"


def test_a_file_put_back_with_its_old_time_and_size_is_seen(work: Path, blobs: Blobs) -> None:
    path = work / "copied"
    path.write_text("one")
    os.utime(path, ns=(5, 5))
    settle(work)
    scan(work, {}, blobs)
    path.write_text("two")
    os.utime(path, ns=(5, 5))
    assert blobs.path(scan(work, {}, blobs)["copied"].content).read_text() == "two"


def test_content_that_the_store_has_lost_is_stored_again(work: Path, blobs: Blobs) -> None:
    (work / "file").write_text("text")
    settle(work)
    manifest = scan(work, {}, blobs)
    blobs.path(manifest["file"].content).unlink()
    scan(work, {}, blobs)
    assert blobs.has(manifest["file"].content)


def test_hard_links_stay_one_file(work: Path, blobs: Blobs) -> None:
    (work / "a").write_text("text")
    (work / "b").hardlink_to(work / "a")
    manifest = scan(work, {}, blobs)
    (work / "b").unlink()
    (work / "b").write_text("apart")
    (work / "a").write_text("changed")
    materialise(manifest, work, blobs)
    (work / "a").write_text("seen through both")
    assert (work / "b").read_text() == "seen through both"


def test_files_that_were_apart_are_not_left_linked(work: Path, blobs: Blobs) -> None:
    (work / "a").write_text("text")
    (work / "b").write_text("text")
    manifest = scan(work, {}, blobs)
    (work / "b").unlink()
    (work / "b").hardlink_to(work / "a")
    materialise(manifest, work, blobs)
    (work / "a").write_text("only a")
    assert (work / "b").read_text() == "text"


def test_the_directory_itself_stays_the_same_so_that_a_waiting_process_is_in_it(work: Path, blobs: Blobs) -> None:
    (work / "sub").mkdir()
    manifest = scan(work, {}, blobs)
    inodes = work.stat().st_ino, (work / "sub").stat().st_ino
    (work / "new").write_text("x")
    materialise(manifest, work, blobs)
    assert (work.stat().st_ino, (work / "sub").stat().st_ino) == inodes


def test_a_link_to_a_folder_outside_is_removed_without_what_it_points_to(work: Path, blobs: Blobs) -> None:
    outside = work.parent / "outside"
    outside.mkdir()
    (outside / "precious").write_text("keep")
    (work / "data").mkdir()
    (work / "data" / "x").write_text("x")
    manifest = scan(work, {}, blobs)
    shutil.rmtree(work / "data")
    (work / "data").symlink_to(outside)
    materialise(manifest, work, blobs)
    assert (outside / "precious").read_text() == "keep"
    assert not (work / "data").is_symlink()
    assert (work / "data" / "x").read_text() == "x"


def test_a_pipe_is_refused_by_name(work: Path, blobs: Blobs) -> None:
    os.mkfifo(work / "my pipe")
    with pytest.raises(Refused, match=r"my pipe \(a named pipe\)"):
        scan(work, {}, blobs)


def test_a_socket_is_refused_by_name(work: Path, blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(work)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("my.sock")
        with pytest.raises(Refused, match=r"my.sock \(a socket\)"):
            scan(work, {}, blobs)


def test_a_pipe_left_behind_is_removed_when_the_directory_is_laid_out(work: Path, blobs: Blobs) -> None:
    os.mkfifo(work / "pipe")
    materialise({}, work, blobs)
    assert list(work.iterdir()) == []


def test_what_the_notebook_makes_above_its_directory_is_state_and_real_siblings_are_not(
    tmp_path: Path, blobs: Blobs
) -> None:
    work = tmp_path / "root" / "parent" / "dir"
    work.mkdir(parents=True)
    control_folder(work)
    (tmp_path / "root" / ".j2k-work").mkdir()
    (tmp_path / "real").mkdir()
    (work.parent / "sibling").symlink_to(tmp_path / "real")
    start = scan(work, {}, blobs)
    assert start == {}
    (work.parent / "out.csv").write_text("made")
    (work.parent.parent / "results").mkdir()
    (work.parent.parent / "results" / "r").write_text("made too")
    made = manifest_from_json(manifest_to_json(scan(work, {}, blobs)))
    assert set(made) == {"../out.csv", "../../results", "../../results/r"}
    materialise(start, work, blobs)
    assert {path.name for path in work.parent.iterdir()} == {"dir", "sibling"}
    materialise(made, work, blobs)
    assert (work / "../../results/r").read_text() == "made too"


def test_without_that_layout_nothing_above_the_directory_is_touched(work: Path, blobs: Blobs) -> None:
    (work.parent / "precious").write_text("keep")
    materialise({}, work, blobs)
    assert (work.parent / "precious").read_text() == "keep"


def test_originals_that_are_written_are_named(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("big.bin", "data/a", "data/b"):
        (tmp_path / name).write_text("original")
    paths = [str(tmp_path / "big.bin"), str(tmp_path / "data")]
    before = watch_originals(paths)
    assert changed_originals(before, paths) == ()
    (tmp_path / "data" / "b").write_text("overwritten")
    (tmp_path / "data" / "new").write_text("new")
    (tmp_path / "big.bin").unlink()
    assert changed_originals(before, paths) == tuple(str(tmp_path / name) for name in ("big.bin", "data/b", "data/new"))


def test_what_j2k_does_for_a_notebook_nearby_is_no_change_of_an_original(tmp_path: Path) -> None:
    (tmp_path / "nearby" / ".j2k").mkdir(parents=True)
    before = watch_originals([str(tmp_path / "nearby")])
    (tmp_path / "nearby" / ".j2k" / "lock").touch()
    assert changed_originals(before, [str(tmp_path / "nearby")]) == ()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_folder_can_become_any_other(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("any")
    blobs = BlobStore(root / "blobs")
    trees = [data.draw(st.recursive(LEAF, lambda inner: st.dictionaries(NAMES, inner, max_size=4))) for _ in "ab"]
    pictures, manifests = [], []
    for index, tree in enumerate(trees):
        plant(root / str(index), tree if isinstance(tree, dict) else {"only": tree})
        pictures.append(picture(root / str(index)))
        manifests.append(scan(root / str(index), {}, blobs))
    work = root / "work"
    for turn in (0, 1, 0):
        materialise(manifests[turn], work, blobs)
        assert picture(work) == pictures[turn]
        assert scan(work, {}, blobs) == manifests[turn]


NAMES = st.sampled_from(["a", "b", "c", "d e"])
LEAF = st.one_of(st.binary(max_size=3), st.just("a"), st.just("../b"))


def plant(folder: Path, tree: dict[str, object]) -> None:
    folder.mkdir()
    for name, node in tree.items():
        if isinstance(node, dict):
            plant(folder / name, node)
        elif isinstance(node, bytes):
            (folder / name).write_bytes(node)
        else:
            (folder / name).symlink_to(str(node))


class opened_files:  # noqa: N801  # reads as a phrase after "with"
    """Collect the paths that this process opens: a hook that can't be removed, so it is silenced afterwards."""

    def __enter__(self) -> list[str]:
        self.paths: list[str] = []
        self.listening = True
        sys.addaudithook(self.hook)
        return self.paths

    def __exit__(self, *_: object) -> None:
        self.listening = False

    def hook(self, event: str, args: tuple[object, ...]) -> None:
        if self.listening and event == "open":
            self.paths.append(str(args[0]))
