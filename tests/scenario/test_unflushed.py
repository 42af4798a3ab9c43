"""What is not on the disk yet is told apart from what is, and from what nobody can tell."""

from pathlib import Path

import pytest

from j2k_dev.scenario.unflushed import flush, tells, told_in, unflushed_pages


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    if not told_in(tmp_path):
        pytest.skip("this kernel, or this disk, does not tell what is not flushed (Linux 6.5, and not tmpfs)")
    return tmp_path


def test_what_was_just_written_is_in_memory_only_until_it_is_flushed(disk: Path) -> None:
    file = disk / "state"
    file.write_bytes(b"x" * 10_000)
    assert unflushed_pages(file) == 3
    flush(file)
    assert unflushed_pages(file) == 0


def test_a_name_given_before_flushing_makes_nothing_durable(disk: Path) -> None:
    (disk / "new").write_bytes(b"x")
    (disk / "new").rename(disk / "state")
    assert unflushed_pages(disk / "state") == 1


def test_a_disk_in_memory_tells_nothing() -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir():
        pytest.skip("this machine has no disk in memory")
    assert not told_in(memory)


def test_looking_leaves_nothing_behind(tmp_path: Path) -> None:
    told_in(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_not_there_is_not_told_of(tmp_path: Path) -> None:
    assert not tells(tmp_path / "nothing")
