"""Which engine is taken where none was asked for."""

from pathlib import Path

import pytest

from j2k_dev.actions import engines
from j2k_dev.actions.engines import choose_engine
from j2k_dev.engine.workspace import Workspace
from j2k_dev.sandbox.model import Sandbox
from tests.sandbox.engines import Notes


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def chosen(workspace: Workspace) -> tuple[str, str]:
    ui = Notes()
    return choose_engine("auto", "python", workspace, ui), ui.told[0]  # type: ignore[arg-type] # all that is told


def a_docker_engine(monkeypatch: pytest.MonkeyPatch, *, images: bool) -> None:
    monkeypatch.setattr(engines, "answers_at", lambda: "unix:///somewhere")
    monkeypatch.setattr(engines, "_images_at_hand", lambda _ui: images)


def test_without_docker_stages_run_on_this_machine(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "answers_at", lambda: "")
    engine, told = chosen(workspace)
    assert engine == "local"
    assert "no Docker engine answers" in told


def test_with_docker_and_images_they_run_on_kubernetes(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    a_docker_engine(monkeypatch, images=True)
    engine, told = chosen(workspace)
    assert engine == "kind"
    assert "unix:///somewhere" in told


def test_images_are_not_built_unasked(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    a_docker_engine(monkeypatch, images=False)
    engine, told = chosen(workspace)
    assert engine == "local"
    assert "j2k sandbox up" in told


def test_a_sandbox_that_was_up_is_taken(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    a_docker_engine(monkeypatch, images=False)
    state = Sandbox(workspace.root).state
    state.parent.mkdir(parents=True)
    state.touch()
    assert chosen(workspace)[0] == "kind"
