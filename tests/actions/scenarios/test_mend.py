"""What a scenario that was killed left behind is put right: its run is ended, and nobody is held any more."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from j2k_dev.actions.scenarios.mend import FOLDER, Left, begin, end, mend, mend_unless_at_work
from j2k_dev.engine.locks import lock, runs_at_work
from j2k_dev.engine.workspace import Workspace, open_workspace
from j2k_dev.scenario.waiting import within
from j2k_dev.worker.exchange import Exchange
from j2k_dev.worker.holds import hold_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUN = "a-run"
CARRIES = """
import signal, sys
from pathlib import Path
from j2k_dev.engine.locks import running
from j2k_dev.engine.workspace import Workspace
with running(Workspace(Path(sys.argv[1])), sys.argv[2]):
    signal.pause()
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = open_workspace(tmp_path, tmp_path / "work")
    (workspace.root / FOLDER).mkdir()
    return workspace


@pytest.fixture
def carrier(workspace: Workspace) -> Iterator[subprocess.Popen[bytes]]:
    """Let a process carry the run that a killed scenario watched."""
    workspace.run(RUN).root.mkdir(parents=True)
    command = [sys.executable, "-c", CARRIES, str(workspace.root), RUN]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        assert within(20, lambda: RUN in runs_at_work(workspace))
        yield process
        process.kill()


def told_while_mending(workspace: Workspace) -> list[str]:
    said: list[str] = []
    mend(workspace, said.append)
    return said


def test_where_nothing_was_cut_off_nothing_is_done(workspace: Workspace) -> None:
    begin(workspace, Left(RUN))
    end(workspace)
    assert told_while_mending(workspace) == []


def test_workers_are_held_no_more(workspace: Workspace) -> None:
    file = hold_file(Exchange(workspace.exchange).holds(RUN), "fit", "ran")
    file.parent.mkdir(parents=True)
    file.touch()
    begin(workspace, Left(RUN))
    assert told_while_mending(workspace) == ["an earlier scenario was cut off: what it broke is put right first"]
    assert not file.exists()
    assert told_while_mending(workspace) == []


def test_the_run_that_nobody_watches_is_ended(workspace: Workspace, carrier: subprocess.Popen[bytes]) -> None:
    begin(workspace, Left(RUN))
    told_while_mending(workspace)
    assert carrier.wait(20) in {1, -signal.SIGINT}
    assert runs_at_work(workspace) == {}


def test_a_scenario_that_is_at_work_undoes_by_itself_what_it_does(workspace: Workspace) -> None:
    begin(workspace, Left(RUN))
    said: list[str] = []
    with lock(Workspace(workspace.root / FOLDER), wait=False):
        mend_unless_at_work(workspace.root, said.append)
    assert said == []
    mend_unless_at_work(workspace.root, said.append)
    assert len(said) == 1


def test_where_the_sandbox_is_gone_there_is_nothing_left_to_mend(workspace: Workspace) -> None:
    begin(workspace, Left(RUN, "j2k-gone"))
    assert len(told_while_mending(workspace)) == 1
    assert told_while_mending(workspace) == []
