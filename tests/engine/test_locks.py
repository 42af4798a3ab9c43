"""The locks of a workspace: who is at work, which runs go on, which pods they share."""

import fcntl
import os
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from j2k_dev.engine.locks import holder, in_use, lock, refuse_while_runs_go_on, run_holder, running, runs_at_work
from j2k_dev.engine.workspace import Workspace
from j2k_dev.model.errors import Refused


class TestLock:
    def test_nobody_holds_it_before_and_after(self, workspace: Workspace) -> None:
        assert holder(workspace) is None
        with lock(workspace):
            pass
        assert holder(workspace) is None

    def test_who_holds_it_is_known(self, workspace: Workspace, other: subprocess.Popen[bytes]) -> None:
        found = holder(workspace)
        assert found is not None
        assert (found.pid, found.command) == (other.pid, "j2k up 'a b.ipynb'")
        assert found.since <= time.time()

    def test_who_does_not_wait_is_refused(self, workspace: Workspace, other: subprocess.Popen[bytes]) -> None:
        with pytest.raises(Refused, match=f"process {other.pid} .*is at work"), lock(workspace, wait=False):
            pytest.fail("two hold the lock")

    def test_who_waits_says_so_and_gets_it(self, workspace: Workspace, other: subprocess.Popen[bytes]) -> None:
        notes: list[str] = []

        def end_the_other(note: str) -> None:
            notes.append(note)
            assert other.stdin
            other.stdin.close()

        with lock(workspace, note=end_the_other):
            assert other.wait(30) == 0
        assert [note for note in notes if f"waiting for process {other.pid}" in note] == notes[:1]

    def test_a_killed_holder_holds_nothing(self, workspace: Workspace, other: subprocess.Popen[bytes]) -> None:
        other.kill()
        other.wait(30)
        with lock(workspace, wait=False):
            pass

    def test_a_lock_file_that_was_removed_meanwhile_counts_for_nothing(self, workspace: Workspace) -> None:
        with workspace.lock_file.open("w") as removed:
            fcntl.flock(removed, fcntl.LOCK_EX)
            workspace.lock_file.unlink()
            with lock(workspace, wait=False):
                assert workspace.lock_file.exists()

    def test_it_can_be_given_away_for_a_while(self, workspace: Workspace) -> None:
        with lock(workspace) as held:
            with held.released(), lock(workspace, wait=False):
                assert holder(workspace) is not None
            assert holder(workspace) is not None
        assert holder(workspace) is None

    def test_who_is_interrupted_meanwhile_does_not_wait_for_it(self, workspace: Workspace) -> None:
        def interrupt() -> None:
            with lock(workspace) as held, held.released():
                taken.enter_context(lock(workspace))
                raise KeyboardInterrupt

        with ExitStack() as taken, pytest.raises(KeyboardInterrupt):
            interrupt()


class TestRunning:
    def test_who_carries_a_run_is_known_while_it_goes_on(self, workspace: Workspace) -> None:
        with running(workspace, "r1"):
            found = run_holder(workspace, "r1")
            assert found is not None
            assert runs_at_work(workspace) == {"r1": found}
            assert run_holder(workspace, "r2") is None
            with pytest.raises(Refused, match=f"the run r1 goes on: process {os.getpid()}"):
                refuse_while_runs_go_on(workspace)
        assert runs_at_work(workspace) == {}
        refuse_while_runs_go_on(workspace)

    def test_nobody_else_carries_it(self, workspace: Workspace) -> None:
        with running(workspace, "r1"), pytest.raises(Refused, match="carries the run r1"), running(workspace, "r1"):
            pytest.fail("two carry it")

    def test_a_run_whose_process_is_gone_is_carried_by_nobody(self, workspace: Workspace) -> None:
        (workspace.run("r1").root).mkdir(parents=True)
        (workspace.run("r1").root / "lock").write_text("{}")
        assert runs_at_work(workspace) == {}


class TestSharing:
    def test_runs_on_the_same_pods_share_them(self, tmp_path: Path) -> None:
        path = tmp_path / "pods" / "p"
        with in_use(path, "release-1", pytest.fail), in_use(path, "release-1", pytest.fail):
            assert path.read_text() == "release-1"

    def test_who_needs_others_waits_until_nobody_uses_these(self, tmp_path: Path) -> None:
        told, waits = [], threading.Event()

        def note(text: str) -> None:
            told.append(text)
            waits.set()

        def use_others() -> str:
            with in_use(tmp_path / "pods" / "p", "release-2", note):
                return (tmp_path / "pods" / "p").read_text()

        with ThreadPoolExecutor(1) as pool:
            with in_use(tmp_path / "pods" / "p", "release-1", pytest.fail):
                second = pool.submit(use_others)
                assert waits.wait(30)
                assert not second.done()
            assert second.result(30) == "release-2"
        assert "waiting for runs" in told[0]
