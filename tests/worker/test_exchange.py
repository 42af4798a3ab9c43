"""Publications and claims: complete or absent, the first one wins, attempts are counted whoever dies."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.model.recording import CellError
from j2k_dev.model.run import CellOutput, StageResult
from j2k_dev.worker import exchange as exchange_module
from j2k_dev.worker.exchange import DiskFull, Exchange

OUTPUT = {"output_type": "stream", "name": "stdout", "text": "hällo\n"}
RESULT = StageResult("run-1", "load", 1, "abc", (CellOutput(3, 1, (OUTPUT,), 0.5),), 0.6, snapshot_bytes=12)
SPAWN = multiprocessing.get_context("spawn")


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def exchange(tmp_path: Path) -> Exchange:
    return Exchange(tmp_path)


def test_nothing_is_there_before_it_is_published(exchange: Exchange) -> None:
    assert exchange.read("run-1", "load") is None


def test_a_result_is_read_as_it_was_published(exchange: Exchange, tmp_path: Path) -> None:
    assert exchange.publish(RESULT) == RESULT
    assert exchange.read("run-1", "load") == RESULT
    assert files(tmp_path) == ["runs/run-1/load/result.json"]


def test_errors_and_failures_are_results_too(exchange: Exchange) -> None:
    raised = replace(RESULT, error=CellError(3, "ValueError", "no", ("line",)))
    refused = replace(RESULT, stage="fit", snapshot=None, failure="it holds a generator", refused=True)
    assert [exchange.publish(raised), exchange.publish(refused)] == [raised, refused]
    assert [exchange.read("run-1", "load"), exchange.read("run-1", "fit")] == [raised, refused]


def test_the_first_publication_wins(exchange: Exchange) -> None:
    exchange.publish(RESULT)
    assert exchange.publish(replace(RESULT, attempt=2, snapshot="def")) == RESULT
    assert exchange.read("run-1", "load") == RESULT


def publish_when_told(root: Path, attempt: int, barrier: object) -> None:
    barrier.wait()  # type: ignore[attr-defined]
    Exchange(root).publish(replace(RESULT, attempt=attempt, snapshot=f"snapshot-{attempt}"))


def test_of_many_that_publish_at_once_exactly_one_wins(exchange: Exchange, tmp_path: Path) -> None:
    barrier = SPAWN.Barrier(4)
    publishers = [SPAWN.Process(target=publish_when_told, args=(tmp_path, number, barrier)) for number in range(4)]
    for publisher in publishers:
        publisher.start()
    for publisher in publishers:
        publisher.join(60)
    won = exchange.read("run-1", "load")
    assert won is not None
    assert won.snapshot == f"snapshot-{won.attempt}"
    assert files(tmp_path) == ["runs/run-1/load/result.json"]


def test_an_earlier_runs_result_can_be_adopted(exchange: Exchange) -> None:
    exchange.publish(RESULT)
    assert exchange.adopt(RESULT, "run-2") == replace(RESULT, run="run-2")
    assert exchange.read("run-2", "load") == replace(RESULT, run="run-2")


@pytest.mark.parametrize("content", [b"", b'{"worker": "w', b'{"other": 1}'])
def test_a_claim_that_a_power_cut_tore_still_counts(exchange: Exchange, content: bytes) -> None:
    exchange.claim("run-1", "load", "w", "session")
    (exchange.folder("run-1", "load") / "attempt-1.json").write_bytes(content)
    assert exchange.claims("run-1", "load")[1].session == ""
    assert exchange.claim("run-1", "load", "w", "session") == 2


def test_a_damaged_publication_is_named_with_its_way_out(exchange: Exchange, tmp_path: Path) -> None:
    exchange.publish(RESULT)
    path = tmp_path / "runs/run-1/load/result.json"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(MachineryFailed, match=r"result\.json is damaged") as caught:
        exchange.read("run-1", "load")
    assert "Remove that file" in caught.value.way_out


def test_attempts_are_numbered_from_one_and_remember_who_claimed_them(exchange: Exchange) -> None:
    assert exchange.claims("run-1", "load") == {}
    assert [exchange.claim("run-1", "load", worker, "s") for worker in ("a", "b")] == [1, 2]
    assert exchange.claim("run-1", "fit", "a", "s") == 1
    claims = exchange.claims("run-1", "load")
    assert [(number, claim.worker, claim.session) for number, claim in claims.items()] == [(1, "a", "s"), (2, "b", "s")]


def claim_when_told(root: Path, barrier: object, numbers: object) -> None:
    barrier.wait()  # type: ignore[attr-defined]
    numbers.put([Exchange(root).claim("run-1", "load", str(os.getpid()), "s") for _ in range(5)])  # type: ignore[attr-defined]


def test_many_that_claim_at_once_get_different_numbers(tmp_path: Path) -> None:
    barrier, numbers = SPAWN.Barrier(3), SPAWN.Queue()
    claimers = [SPAWN.Process(target=claim_when_told, args=(tmp_path, barrier, numbers)) for _ in range(3)]
    for claimer in claimers:
        claimer.start()
    got = [number for _ in claimers for number in numbers.get(timeout=60)]
    for claimer in claimers:
        claimer.join(60)
    assert sorted(got) == list(range(1, 16))


KILLED_WHILE_PUBLISHING = """
import os, signal, sys
from pathlib import Path
from j2k_dev.model.run import StageResult
from j2k_dev.worker import exchange

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(exchange, sys.argv[2], die)
exchange.Exchange(Path(sys.argv[1])).publish(StageResult("run-1", "load", 1, "abc", (), 0.0))
"""


@pytest.mark.parametrize(("moment", "visible"), [("_link", False), ("_flush_folder", True)])
def test_a_kill_while_publishing_leaves_a_complete_result_or_none(
    exchange: Exchange, tmp_path: Path, moment: str, visible: bool
) -> None:
    command = [sys.executable, "-c", KILLED_WHILE_PUBLISHING, str(tmp_path), moment]
    assert subprocess.run(command, check=False, timeout=30).returncode == -signal.SIGKILL
    assert (exchange.read("run-1", "load") is not None) == visible
    exchange.sweep("run-1")
    assert files(tmp_path) == (["runs/run-1/load/result.json"] if visible else [])


def test_a_full_disk_is_said_to_be_full_and_nothing_half_written_stays(exchange: Exchange, tmp_path: Path) -> None:
    # A limit on the size of files is a real failed write; the errno is what a full disk gives.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(MachineryFailed, match="can't write"):
            exchange.publish(RESULT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert files(tmp_path) == []
    assert exchange.read("run-1", "load") is None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full to write to")
def test_no_space_is_a_full_disk(exchange: Exchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_to_full_device(path: Path, content: bytes, _meanwhile: object, *, durable: bool) -> None:
        path.symlink_to("/dev/full")
        path.write_bytes(content)

    monkeypatch.setattr(exchange_module, "_write", write_to_full_device)
    with pytest.raises(DiskFull, match=r"disk full: \d+ bytes free at") as caught:
        exchange.publish(RESULT)
    assert "Make room" in caught.value.way_out
    assert files(tmp_path) == []


def test_on_a_file_system_without_links_the_first_wins_too(
    exchange: Exchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", no_links)
    assert exchange.publish(RESULT) == RESULT
    assert not exchange_module._rename_first(tmp_path / "missing", tmp_path / "runs/run-1/load/result.json")
    assert exchange.publish(replace(RESULT, attempt=2)) == RESULT
    assert files(tmp_path) == ["runs/run-1/load/result.json"]


def test_renaming_instead_of_linking_waits_for_whoever_renames(tmp_path: Path) -> None:
    (tmp_path / "temporary").write_text("new")
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    process = SPAWN.Process(target=exchange_module._rename_first, args=(tmp_path / "temporary", tmp_path / "target"))
    process.start()
    process.join(1.0)
    assert process.is_alive()
    assert not (tmp_path / "target").exists()
    os.close(folder)
    process.join(30)
    assert (tmp_path / "target").read_text() == "new"
