"""What real runs of the local engine leave behind keeps to the rules, also where something was killed in the middle."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from j2k_dev.model.scenario import Publication
from j2k_dev.scenario.history import RunHistory
from j2k_dev.scenario.rules import violations
from j2k_dev.worker.child import outcome_of
from j2k_dev.worker.events import read_events
from j2k_dev.worker.exchange import Exchange
from tests.e2e.desk import Desk, kill

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

WAITS = """import os, pathlib, select
pathlib.Path({gate!r}, "who").write_text(str(os.getpid()))
while os.path.exists(os.path.join({gate!r}, "closed")):
    select.select([], [], [], 0.01)"""


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    folder = tmp_path / "gate"
    folder.mkdir()
    return folder


@pytest.fixture
def desk(tmp_path: Path, gate: Path) -> Desk:
    """Record a notebook of three stages; in the second, a cell waits while the gate is closed."""
    folder = tmp_path / "home" / "desk"
    folder.mkdir(parents=True)
    desk = Desk(folder, tmp_path / "cache")
    middle = f"b = 1\n{WAITS.format(gate=str(gate))}\nprint(a + b)"
    desk.notebook("a.ipynb", ("a = 1", "stage:load"), ("c = 1", "stage:fit"), middle, ("print(a, b)", "stage:plot"))
    assert desk.j2k("record", "a.ipynb").code == 0
    (gate / "who").unlink()
    return desk


def history(desk: Desk, document: dict[str, Any]) -> RunHistory:
    exchange, run = Exchange(desk.folder / ".j2k" / "exchange"), document["run"]
    stages = tuple(stage["name"] for stage in document["stages"])
    published = tuple(_publication(exchange, run, stage) for stage in stages)
    return RunHistory(read_events(exchange.events(run)), stages, published, document["verdict"])


def _publication(exchange: Exchange, run: str, stage: str) -> Publication:
    result = exchange.read(run, stage)
    assert result is not None
    at = (exchange.folder(run, stage) / "result.json").stat().st_mtime
    return Publication(stage, result.attempt, at, outcome_of(result))


def test_a_run_keeps_to_the_rules_and_so_does_one_whose_process_was_killed(desk: Desk, gate: Path) -> None:
    quiet = history(desk, desk.equal("run", "a.ipynb"))
    assert violations(quiet) == ()
    assert [turn.attempt for turn in quiet.turns] == [1, 1, 1]

    (gate / "who").unlink()
    (gate / "closed").touch()
    process = desk.start("run", "a.ipynb", "--fresh", "--json")
    who = desk.until(lambda: (gate / "who").exists() and (gate / "who").read_text(), process)
    kill([int(who)])
    (gate / "closed").unlink()
    told = desk.end(process)
    killed = history(desk, json.loads(told.stdout))
    assert violations(killed) == ()
    assert [(turn.stage, turn.attempt, turn.outcome) for turn in killed.turns] == [
        ("load", 1, "published"),
        ("fit", 1, "lost"),
        ("fit", 2, "published"),
        ("plot", 1, "published"),
    ]
