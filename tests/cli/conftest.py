"""A workspace as a run leaves it, and j2k as a process."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from j2k_dev.engine import workspace as ws
from j2k_dev.model.codec import to_plain
from j2k_dev.model.run import RunSummary, StageSummary

TIMEOUT = 60

J2k = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of its own, without a display."""
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("J2K_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def command() -> list[str]:
    """Give the command line of j2k, whatever is on the path."""
    return [sys.executable, "-m", "j2k_dev"]


@pytest.fixture
def j2k(folder: Path, command: list[str]) -> J2k:
    """Run j2k and wait for its end."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=TIMEOUT, check=False)

    return run


@pytest.fixture
def workspace(folder: Path) -> ws.Workspace:
    """Make an empty workspace in the folder."""
    return ws.open_workspace(folder / "a b.ipynb")


@pytest.fixture
def ran(workspace: ws.Workspace) -> Callable[..., ws.RunPaths]:
    """Leave the results of a run as j2k leaves them."""

    def run(name: str, *, started: float | None = None, logs: dict[str, str] | None = None) -> ws.RunPaths:
        paths = workspace.run(name)
        stages = tuple(StageSummary(stage, (0,), 1, 0.5) for stage in ("load", "fit"))
        summary = RunSummary(name, "local", "equal", stages, started=started or time.time(), seconds=1.5)
        for stage, text in (logs or {}).items():
            ws.write_text(paths.logs / f"{stage}.log", text)
        ws.write_text(paths.report, "<!doctype html>")
        ws.write_json(paths.summary, to_plain(summary))
        return paths

    return run
