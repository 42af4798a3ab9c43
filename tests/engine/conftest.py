"""Workspaces, another j2k that is at work in one, and labs."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from j2k_dev.engine.workspace import Workspace, open_workspace
from tests.engine.lab import Lab

HOLD = """
import sys
from pathlib import Path
from j2k_dev.engine.locks import lock
from j2k_dev.engine.workspace import Workspace
sys.argv = ["/usr/bin/j2k", "up", "a b.ipynb"]
with lock(Workspace(Path({root!r}))):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(workspace: Workspace) -> Iterator[subprocess.Popen[bytes]]:
    """Another j2k that holds the lock until its input ends."""
    program = HOLD.format(root=str(workspace.root))
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    folder = tmp_path / "my work"
    folder.mkdir()
    path = folder / "analysis.ipynb"
    path.write_text("{}")
    return path


@pytest.fixture
def workspace(notebook: Path) -> Workspace:
    return open_workspace(notebook)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    for process in made.processes():
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
