"""The relay: cells run in one process, the probing cells in that process and in one that got its state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.worker.hidden.asking import Processes, started_processes

if TYPE_CHECKING:
    from pathlib import Path

Relay = Callable[..., list[Any]]


@pytest.fixture(scope="session")
def processes() -> Iterator[Processes]:
    with started_processes() as processes:
        yield processes


@pytest.fixture
def relay(processes: Processes, tmp_path: Path) -> Relay:
    """Return what the probing cells put out after a hand-over, having compared it with the unsplit run."""

    def run(*cells: str, probe: str | list[str], paths: tuple[str, ...] = ()) -> list[Any]:
        probes = [probe] if isinstance(probe, str) else probe
        answer = processes({"cells": cells, "probe": probes, "paths": paths, "folder": str(tmp_path)})
        for part in ("first", "hop", "last"):
            assert "failed" not in answer[part], answer[part]["failed"]
        assert answer["last"]["shown"] == answer["first"]["shown"]
        assert any(answer["first"]["shown"]), "a probe that shows nothing proves nothing"
        return [output for outputs in answer["last"]["shown"] for output in outputs]

    return run


@pytest.fixture
def handed_over(relay: Relay) -> Callable[..., str]:
    """Return the text that the probing cells printed after a hand-over."""

    def run(*cells: str, probe: str | list[str], paths: tuple[str, ...] = ()) -> str:
        return "".join(output.get("text", "") for output in relay(*cells, probe=probe, paths=paths))

    return run
