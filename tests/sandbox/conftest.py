"""An engine of the test's own: its socket, its programs, its daemon. What this machine has stays out of it."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from j2k_dev.sandbox.docker_engine.daemon import Daemon, stop
from tests.sandbox.engines import place_dockerd


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder of programs that are found first, and no engine's programs besides."""
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "prlimit").symlink_to(shutil.which("prlimit") or "/usr/bin/prlimit")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("j2k_dev.sandbox.docker_engine.machine._ADMINISTRATORS", str(folder))
    return folder


@pytest.fixture
def socket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Name a socket for the engine, with a path that is short enough, and let Docker's clients use it."""
    # What a user has set up for Docker stays out of it.
    with tempfile.TemporaryDirectory(prefix="j2k-") as folder:
        monkeypatch.setenv("DOCKER_CONFIG", folder)
        monkeypatch.setenv("DOCKER_HOST", f"unix://{folder}/docker.sock")
        monkeypatch.delenv("DOCKER_CONTEXT", raising=False)
        yield Path(folder, "docker.sock")


@pytest.fixture
def daemon(programs: Path, socket: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    """Name a daemon at that socket; whatever becomes of it, it is stopped in the end."""
    place_dockerd(programs)
    monkeypatch.setenv("J2K_CACHE", str(tmp_path / "cache"))
    daemon = Daemon(tmp_path / "cache" / "engine", os.environ["DOCKER_HOST"])
    yield daemon
    stop(daemon)
