"""Desks: each test works in a folder of its own; what j2k caches for the machine is made once."""

from pathlib import Path

import pytest

from tests.e2e.desk import Desk


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Share what j2k finds out about the interpreter."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def desk(tmp_path: Path, cache: Path) -> Desk:
    """Give a folder two levels below one that holds nothing else."""
    folder = tmp_path / "home" / "desk"
    folder.mkdir(parents=True)
    return Desk(folder, cache)


@pytest.fixture
def signing_desk(desk: Desk, tmp_path: Path) -> Desk:
    """Give a desk for scenarios: on this machine, signed with a key of its own."""
    desk.variables.update(J2K_KEY_DIR=str(tmp_path / "key"), J2K_ENGINE="local")
    return desk
