"""Holding a run at a point: exactly there, for as long as the file is there, and at no other point."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from j2k_dev.worker import holds
from j2k_dev.worker.holds import hold, hold_file

if TYPE_CHECKING:
    from pathlib import Path


class Told:
    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []
        self.heard = threading.Event()

    def __call__(self, event: str, detail: dict[str, Any]) -> None:
        self.lines.append((event, detail))
        self.heard.set()


def test_a_run_that_nobody_holds_goes_on(tmp_path: Path) -> None:
    told = Told()
    hold(tmp_path / "none", "fit", "ran", {}, told)
    assert told.lines == []


@pytest.mark.parametrize(("stage", "event", "cell"), [("load", "ran", None), ("fit", "taken", None), ("fit", "ran", 3)])
def test_it_goes_on_at_every_other_point(tmp_path: Path, stage: str, event: str, cell: int | None) -> None:
    hold_file(tmp_path, stage, event, cell).touch()
    told = Told()
    hold(tmp_path, "fit", "ran", {}, told)
    assert told.lines == []


@pytest.mark.parametrize(("detail", "cell"), [({"seconds": 1.0}, None), ({"cell": 3}, 3)])
def test_it_waits_there_until_the_file_is_gone(tmp_path: Path, detail: dict[str, Any], cell: int | None) -> None:
    file = hold_file(tmp_path, "fit", "cell-started", cell)
    file.touch()
    told = Told()
    held = threading.Thread(target=hold, args=(tmp_path, "fit", "cell-started", detail, told))
    held.start()
    assert told.heard.wait(10)
    assert told.lines == [("held", {"at": "cell-started", **({} if cell is None else {"cell": cell})})]
    held.join(0.1)
    assert held.is_alive()
    file.unlink()
    held.join(10)
    assert not held.is_alive()


def test_what_a_killed_scenario_left_holds_nobody_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holds, "MOST_SECONDS", 0.1)
    hold_file(tmp_path, "fit", "ran").touch()
    began = time.monotonic()
    hold(tmp_path, "fit", "ran", {}, Told())
    assert time.monotonic() - began >= 0.1
