"""One process at a time."""

import fcntl
from pathlib import Path

import pytest

from j2k_dev.evidence.alone import alone
from j2k_dev.model.errors import MachineryFailed
from tests.evidence.processes import at_once


def test_whoever_comes_meanwhile_waits(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")

    def count(_number: int) -> None:
        for _ in range(50):
            with alone(tmp_path / "lock"):
                counter.write_text(str(int(counter.read_text()) + 1))

    at_once(count)
    assert counter.read_text() == "200"


def test_whoever_waits_too_long_is_told_what_for(tmp_path: Path) -> None:
    with (
        alone(tmp_path / "lock"),
        pytest.raises(MachineryFailed, match=f"another process holds {tmp_path}/lock"),
        alone(tmp_path / "lock", seconds=0.1),
    ):
        pytest.fail("two hold it")


def test_it_is_given_back_when_the_work_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), alone(tmp_path / "lock"):
        _ = 1 / 0
    with alone(tmp_path / "lock", seconds=0):
        pass


def test_a_lock_on_a_file_that_was_removed_counts_for_nothing(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as removed:
        fcntl.flock(removed, fcntl.LOCK_EX)
        (tmp_path / "lock").unlink()
        with alone(tmp_path / "lock", seconds=0):
            assert (tmp_path / "lock").exists()
