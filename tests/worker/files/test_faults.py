"""Blobs are damaged, files change, processes are killed, disks fill up: all comes out right, or is refused by name."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from typing import TYPE_CHECKING

import pytest

from j2k_dev.model.errors import MachineryFailed, Refused
from j2k_dev.worker.files import FileEntry, control_folder, manifest_to_json, materialise, scan
from tests.worker.files.work_folder import Blobs, picture, rich_folder, wreck

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOBODY = 65534


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


def leftovers(work: Path) -> list[Path]:
    unfinished = control_folder(work) / "unfinished"
    return list(unfinished.iterdir()) if unfinished.exists() else []


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
