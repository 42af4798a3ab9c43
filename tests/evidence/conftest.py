"""A folder of keys, a workspace, an entry, and another person with a key of their own."""

from pathlib import Path

import pytest

from j2k_dev.engine.workspace import open_workspace
from j2k_dev.evidence.keys import SigningKey, signing_key
from j2k_dev.evidence.record import Entry


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Name the folder of the local keys, which is not there yet."""
    folder = tmp_path / "my keys"
    monkeypatch.setenv("J2K_KEY_DIR", str(folder))
    return folder


@pytest.fixture
def key(folder: Path) -> SigningKey:
    return signing_key(folder)


@pytest.fixture
def theirs(tmp_path: Path) -> SigningKey:
    return signing_key(tmp_path / "theirs")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return open_workspace(tmp_path / "work" / "analysis.ipynb", tmp_path / "work" / ".j2k").root


@pytest.fixture
def entry() -> Entry:
    return Entry(
        notebook="analysis.ipynb",
        scenario="kill-stage-2",
        engine="kind",
        title="Die Stufe fällt aus",
        verdict="survived",
        run="20260101-120000-abcd",
        started=1_767_268_800.123456,
        seconds=42.125,
        recovery=2.75,
        of={"notebook": "ab12", "image fit": "cd34", "manifests": "ef56"},
        versions={"j2k": "0.1.0", "kubernetes": "1.34.0"},
        struck=("the worker of fit was killed: exit code 137",),
        attempts={"load": 1, "fit": 2},
    )
