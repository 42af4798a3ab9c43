"""The working directory is written down and laid out again, whatever is in it and whatever happens meanwhile."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from j2k_dev.model.errors import MachineryFailed, Refused
from j2k_dev.model.recording import FileUse
from j2k_dev.worker.blobs import BlobStore
from j2k_dev.worker.files import (
    FileEntry,
    WorkLock,
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

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOBODY = 65534
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


class Blobs(BlobStore):
    """The real store, counting what it is asked to copy."""

    copies = 0

    def put_file(self, path: Path) -> str:
        self.copies += 1
        return super().put_file(path)


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


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


def picture(folder: Path) -> dict[str, tuple[object, ...]]:
    """Say everything about a folder that a notebook can see."""
    seen: dict[str, tuple[object, ...]] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        name = str(path.relative_to(folder))
        mode = stat.S_IMODE(status.st_mode)
        if path.is_symlink():
            seen[name] = ("link", str(path.readlink()))
        elif path.is_dir():
            seen[name] = ("dir", mode, status.st_mtime_ns)
        else:
            seen[name] = ("file", path.read_bytes(), mode, status.st_mtime_ns, status.st_nlink)
    return seen


def wreck(work: Path) -> None:
    """Do to a folder what another stage might."""
    for path in sorted(work.rglob("*")):
        if path.is_symlink():
            path.unlink()
            path.mkdir()
        elif path.is_file():
            path.write_bytes(b"other " + path.read_bytes())
            path.chmod(0o600)
    (work / "extra" / "deep").mkdir(parents=True)
    (work / "extra" / "deep" / "file").write_text("remove me")
    (work / "extra" / "outside").symlink_to(work.parent)


def rich_folder(work: Path) -> None:
    (work / "data" / "empty").mkdir(parents=True)
    (work / "data" / "a.csv").write_text("1,2\n")
    (work / "data" / "a.csv").chmod(0o640)
    os.utime(work / "data" / "a.csv", ns=(1, 1_234_567_890_123_456_789))
    (work / "run.sh").write_text("#!/bin/sh\n")
    (work / "run.sh").chmod(0o755)
    (work / "zero").write_bytes(b"")
    (work / "link").symlink_to("data/a.csv")
    (work / "dangling").symlink_to("nowhere")
    (work / "first").write_text("shared")
    (work / "second").hardlink_to(work / "first")
    (work / "locked").mkdir()
    (work / "locked" / "inside").write_text("x")
    (work / "locked").chmod(0o555)


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


def test_a_damaged_blob_is_noticed_and_the_old_file_kept(work: Path, blobs: Blobs) -> None:
    (work / "file").write_text("right")
    manifest = scan(work, {}, blobs)
    blob = blobs.path(manifest["file"].content)
    blob.chmod(0o600)
    blob.write_text("wrong")
    (work / "file").write_text("later")
    with pytest.raises(MachineryFailed, match="'file' is damaged"):
        materialise(manifest, work, blobs)
    assert (work / "file").read_text() == "later"
    assert leftovers(work) == []


def test_a_lost_blob_is_named(work: Path, blobs: Blobs) -> None:
    manifest = {"file": FileEntry("file", "0" * 64, 5, 0o644, 5)}
    with pytest.raises(MachineryFailed, match="'file' is gone"):
        materialise(manifest, work, blobs)


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


def test_a_file_that_is_still_being_written_is_refused_by_name(work: Path, blobs: Blobs) -> None:
    path = work / "log.txt"
    path.write_text("start")

    class WritingBlobs(Blobs):
        def put_file(self, path: Path) -> str:
            sha = super().put_file(path)
            with path.open("a") as stream:
                stream.write("more")
            return sha

    with pytest.raises(Refused, match=r"'log.txt' keeps changing"):
        scan(work, {}, WritingBlobs(blobs.root))


def test_a_file_that_changed_once_while_it_was_read_is_read_again(work: Path, blobs: Blobs) -> None:
    path = work / "log.txt"
    path.write_text("start")
    late = threading.Event()

    class OnceWritingBlobs(Blobs):
        def put_file(self, path: Path) -> str:
            sha = super().put_file(path)
            if not late.is_set():
                late.set()
                path.write_text("final")
            return sha

    manifest = scan(work, {}, OnceWritingBlobs(blobs.root))
    assert blobs.path(manifest["log.txt"].content).read_text() == "final"


def test_files_that_vanish_while_they_are_scanned_are_not_there(work: Path, blobs: Blobs) -> None:
    for name in "abc":
        (work / name).write_text(name)

    class RemovingBlobs(Blobs):
        def put_file(self, path: Path) -> str:
            (work / "b").unlink(missing_ok=True)
            return super().put_file(path)

    assert set(scan(work, {}, RemovingBlobs(blobs.root))) == {"a", "c"}


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


@pytest.mark.parametrize("name", ["/etc/passwd", "../../../x", "a/../../b", "a//b", "..", ".", "", "a/./b", "a\0b"])
def test_a_manifest_that_reaches_outside_is_not_read(name: str) -> None:
    with pytest.raises(ValueError, match="outside"):
        manifest_from_json(manifest_to_json({name: FileEntry("dir")}))


def test_changes_name_written_and_deleted_files_but_no_folders_and_no_times() -> None:
    before = {"gone": FileEntry("file", "a" * 64, 1), "same": FileEntry("file", "b" * 64, 2, mtime_ns=1)}
    after = {"d": FileEntry("dir"), "d/new": FileEntry("file", "c" * 64, 3), "l": FileEntry("symlink", "d/new")}
    after["same"] = FileEntry("file", "b" * 64, 2, mtime_ns=2)
    assert changes(before, after) == (
        FileUse("d/new", "written", 3, "c" * 64),
        FileUse("gone", "deleted", 1),
        FileUse("l", "written", 0),
    )


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


def test_the_lock_keeps_a_second_process_out_and_names_the_first(work: Path) -> None:
    with WorkLock(work), pytest.raises(MachineryFailed, match=f"process {os.getpid()}"):
        WorkLock(work, wait_seconds=0.05).acquire()
    WorkLock(work, wait_seconds=0).acquire()


def test_the_lock_is_free_once_its_holder_is_killed(work: Path) -> None:
    code = "import sys; from pathlib import Path; from j2k_dev.worker.files import WorkLock\n"
    code += "WorkLock(Path(sys.argv[1])).acquire(); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code, work], stdin=-1, stdout=-1) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(MachineryFailed):
            WorkLock(work, wait_seconds=0).acquire()
        holder.kill()
        lock = WorkLock(work, wait_seconds=10)
        lock.acquire()
        lock.release()


def test_the_lock_is_taken_until_a_forked_child_that_could_still_write_has_gone(work: Path) -> None:
    context = multiprocessing.get_context("fork")
    leave = context.Event()
    lock = WorkLock(work)
    lock.acquire()
    child = context.Process(target=leave.wait, args=(30,))
    child.start()
    lock.release()
    with pytest.raises(MachineryFailed):
        WorkLock(work, wait_seconds=0).acquire()
    leave.set()
    child.join(30)
    WorkLock(work, wait_seconds=10).acquire()


PRELUDE = """
import os, sys
from pathlib import Path
from j2k_dev.worker.blobs import BlobStore
"""

CRASH = (
    PRELUDE
    + """
import signal
from j2k_dev.worker.files import manifest_from_json, materialise, scan
work, count = Path(sys.argv[1]), int(sys.argv[3])
blobs, manifest = BlobStore(work.parent / "blobs"), manifest_from_json(Path(sys.argv[2]).read_text())
left = [count]
def hook(event, args):
    if event == "open" or event.removeprefix("os.") in "rename mkdir rmdir remove chmod utime link symlink".split():
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
materialise(manifest, work, blobs) if sys.argv[4] == "materialise" else scan(work, {}, blobs)
"""
)


@pytest.mark.parametrize("what", ["materialise", "scan"])
def test_killed_at_any_step_the_next_call_finishes_the_job(what: str, work: Path, blobs: Blobs) -> None:
    rich_folder(work)
    wanted = picture(work)
    manifest = scan(work, {}, blobs)
    saved = work.parent / "manifest.json"
    saved.write_text(manifest_to_json(manifest))
    kills = 0
    for step in range(1, 200, 3):
        if what == "materialise":
            wreck(work)
        else:
            shutil.rmtree(blobs.root)
        command = [sys.executable, "-c", CRASH, str(work), str(saved), str(step), what]
        code = subprocess.run(command, timeout=60, check=False).returncode
        kills += code == -signal.SIGKILL
        if what == "scan":
            manifest = scan(work, {}, Blobs(blobs.root))
        materialise(manifest, work, blobs)
        assert picture(work) == wanted, f"after a kill at step {step}"
        assert leftovers(work) == []
        if code == 0:
            break
    assert code == 0
    assert kills > 5


def test_a_full_disk_is_said_and_leaves_no_half_file(small_disk: Path, blobs: Blobs, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_bytes(b"a" * 100_000)
    (source / "b").write_bytes(b"b" * 3_000_000)
    manifest = scan(source, {}, blobs)
    work = small_disk / "work"
    with pytest.raises(MachineryFailed, match="No space left") as failure:
        materialise(manifest, work, blobs)
    assert "make room" in failure.value.way_out
    assert not (work / "b").exists()
    assert leftovers(work) == []


def test_a_disk_that_fills_up_while_state_is_stored_is_said(small_disk: Path, work: Path) -> None:
    (work / "big").write_bytes(b"x" * 3_000_000)
    with pytest.raises(MachineryFailed, match="No space left"):
        scan(work, {}, Blobs(small_disk / "blobs"))
    assert [path for path in (small_disk / "blobs").rglob("*") if path.is_file()] == []


def test_a_file_size_limit_is_said_and_leaves_no_half_file(work: Path, blobs: Blobs, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "big").write_bytes(b"x" * 1_000_000)
    (tmp_path / "manifest.json").write_text(manifest_to_json(scan(source, {}, blobs)))
    code = (
        PRELUDE
        + """
import resource, signal
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.worker.files import manifest_from_json, materialise
root = Path(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
try:
    materialise(manifest_from_json((root / "manifest.json").read_text()), root / "work", BlobStore(root / "blobs"))
except MachineryFailed as failure:
    left = [*root.glob(".j2k-work*/unfinished/*"), *(root / "work").iterdir()]
    print(failure.message, "|", failure.way_out, "|", left)
"""
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "File too large" in done.stdout
    assert done.stdout.endswith("| make room on the disk, then run the command again | []\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user: permissions are tried as 'nobody'")
def test_closed_files_and_folders_travel_for_a_user_who_is_not_root() -> None:
    code = f"""{PRELUDE}
import codecs
from j2k_dev.worker.files import materialise, scan
codecs.lookup("ascii")  # what is imported later may be out of reach for nobody
os.setgid({NOBODY})
os.setuid({NOBODY})
root = Path(sys.argv[1])
work = root / "work"
(work / "closed" / "deep").mkdir(parents=True)
(work / "closed" / "deep" / "file").write_text("inside")
(work / "secret").write_text("secret")
for path, mode in (("closed/deep/file", 0o400), ("closed/deep", 0o555), ("closed", 0), ("secret", 0)):
    (work / path).chmod(mode)
blobs = BlobStore(root / "blobs")
manifest = scan(work, {{}}, blobs)
modes = [oct(manifest[name].mode) for name in ("closed", "closed/deep", "closed/deep/file", "secret")]
assert modes == ["0o0", "0o555", "0o400", "0o0"], modes
assert oct((work / "closed").stat().st_mode)[-3:] == "000"
materialise(manifest, work, blobs)
materialise({{}}, work, blobs)
assert list(work.iterdir()) == []
materialise(manifest, work, blobs)
assert scan(work, manifest, blobs) == manifest
(work / "closed").chmod(0o700)
print((work / "closed" / "deep" / "file").read_text())
"""
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, NOBODY, NOBODY)
        command = [sys.executable, "-c", code, folder]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("inside\n", "")


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


def leftovers(work: Path) -> list[Path]:
    unfinished = control_folder(work) / "unfinished"
    return list(unfinished.iterdir()) if unfinished.exists() else []


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


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a real file system of 2 MiB (needs root: RLIMIT_FSIZE is tried in any case)."""
    folder = tmp_path / "small disk"
    folder.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"none", os.fsencode(folder), b"tmpfs", 0, b"size=2m") != 0:
        pytest.skip(f"a tmpfs can't be mounted here: {os.strerror(ctypes.get_errno())}")
    yield folder
    libc.umount2(os.fsencode(folder), 2)
