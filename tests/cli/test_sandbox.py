"""The commands of the sandbox, without a Docker engine; tests/cluster has the real thing."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from j2k_dev.actions import sandbox as actions
from j2k_dev.cli.main import main
from j2k_dev.engine import workspace as ws
from j2k_dev.sandbox.down import TakenDown
from j2k_dev.sandbox.model import Sandbox, SandboxState, Source
from j2k_dev.sandbox.status import PartStatus, SandboxStatus
from tests.sandbox.states import state_of

J2k = Callable[..., CompletedProcess[str]]


@pytest.fixture(autouse=True)
def no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no command reach this machine's engine, nor its user's kubeconfig."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))


class TestUsage:
    def test_the_group_shows_its_commands(self, j2k: J2k) -> None:
        for told in (j2k("sandbox"), j2k("sandbox", "--help")):
            assert told.returncode == 0
            assert all(f" {name} " in told.stdout for name in ("up", "down", "status", "engine"))

    @pytest.mark.parametrize("name", ["up", "down", "status", "engine"])
    def test_every_command_has_its_options_and_examples(self, j2k: J2k, name: str) -> None:
        told = j2k("sandbox", name, "--help")
        assert told.returncode == 0
        assert f" j2k sandbox {name}" in told.stdout.partition("Examples")[2]
        assert all(option in told.stdout for option in ("--json", "--workspace", "--quiet", "--verbose"))

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["frob"], "No such command 'frob'"),
            (["up", "--nodes", "0"], "--nodes"),
            (["up", "--images", "moon"], "'moon' is not one of 'auto', 'registry', 'packages'"),
            (["up", "--name", "Twin"], "--name Twin: up to 30 small letters"),
            (["down", "--all", "--name", "twin"], "--all and --name do not go together"),
        ],
    )
    def test_wrong_usage_is_exit_2(self, j2k: J2k, folder: Path, arguments: list[str], message: str) -> None:
        told = j2k("sandbox", *arguments)
        assert told.returncode == 2
        assert message in told.stderr.replace("\n", " ")
        assert not list(folder.iterdir())

    @pytest.mark.parametrize("name", ["up", "down", "status"])
    def test_without_an_engine_it_is_exit_5_with_the_way_out(self, j2k: J2k, folder: Path, name: str) -> None:
        told = j2k("sandbox", name, "--json")
        assert told.returncode == 5
        error = json.loads(told.stdout)["error"]
        assert error["message"].startswith("no Docker engine answers at unix://")
        assert "unset DOCKER_HOST" in error["way_out"]
        assert not list(folder.iterdir())


# --- what the functions behind the actions are given, and what of their answers is shown ------------------------------


class Engine:
    """The functions of the sandbox, which note how they are called."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def close(self) -> None:
        """Hang up, as a client does."""

    def bring_up(
        self,
        sandbox: Sandbox,
        images: Any,
        nodes: int | None,
        *_with: Any,
        source: Source | None,
        retain: bool,
        cloud: bool,
    ) -> SandboxState:
        assert not cloud
        assert source == (None if images.args[0] == "auto" else images.args[0])
        self.calls.append(("up", sandbox.name, images.args[0], nodes, retain))
        ws.write_text(sandbox.kubeconfig, json.dumps(kubeconfig(sandbox.context)))
        return state_of(sandbox)

    def take_down(self, sandbox: Sandbox, *_with: Any) -> TakenDown:
        self.calls.append(("down", sandbox.name))
        return TakenDown((sandbox.container("kafka"),), (sandbox.network,), (), "")

    def status(self, sandbox: Sandbox, _client: Any) -> SandboxStatus:
        self.calls.append(("status", sandbox.name))
        part = PartStatus(sandbox.container("kafka"), "kafka", "stopped", "localhost:9094", 60.0)
        return SandboxStatus(sandbox.cluster, up=False, parts=(part,), told=None)


def kubeconfig(name: str) -> dict[str, Any]:
    """Give a sandbox's kubeconfig."""
    lists = {kind: [{"name": name}] for kind in ("clusters", "contexts", "users")}
    return lists | {"apiVersion": "v1", "kind": "Config", "current-context": name}


@pytest.fixture
def engine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Put the functions in their places."""
    engine = Engine()
    monkeypatch.setattr(actions, "connect", lambda: engine)
    monkeypatch.setattr(actions, "raise_limits", lambda progress: None)
    monkeypatch.setattr(actions, "bring_up", engine.bring_up)
    monkeypatch.setattr(actions, "take_down", engine.take_down)
    monkeypatch.setattr(actions, "sandbox_status", engine.status)
    monkeypatch.setattr(actions, "sandboxes_of", lambda root, _client: (Sandbox(root), Sandbox(root, "twin")))
    return engine


class TestUp:
    def test_it_makes_the_workspace_and_tells_the_addresses(
        self, engine: Engine, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["sandbox", "up"]) == 0
        assert engine.calls == [("up", "", "auto", None, False)]
        assert (folder / ".j2k" / "workspace.json").is_file()
        assert "localhost:5001" in capsys.readouterr().out

    def test_its_options_are_handed_on(self, engine: Engine) -> None:
        words = ["--images", "packages", "--nodes", "3", "--name", "twin", "--retain", "--quiet"]
        assert main(["sandbox", "up", *words]) == 0
        assert engine.calls == [("up", "twin", "packages", 3, True)]

    def test_a_twin_has_a_name(self, engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["sandbox", "up", "--cloud"]) == 2
        assert "--cloud needs --name" in capsys.readouterr().err
        assert engine.calls == []

    def test_only_a_twin_is_prepared_for_notebooks(self, engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["sandbox", "up", "--for", "a.ipynb"]) == 2
        assert "--for is for the twin of a cloud" in capsys.readouterr().err

    def test_a_notebook_names_its_own_workspace(self, engine: Engine, tmp_path: Path) -> None:
        (tmp_path / "study").mkdir()
        assert main(["sandbox", "up", str(tmp_path / "study" / "a.ipynb")]) == 0
        assert (tmp_path / "study" / ".j2k" / "workspace.json").is_file()

    def test_its_document_has_what_programs_need(self, engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["sandbox", "up", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        wanted = {"context", "kubeconfig", "registry", "kafka", "images", "seconds"}
        assert wanted < told.keys()
        assert told["images"]["node"] == {"reference": "j2k.local/node:1", "digest": "sha256:1", "source": "packages"}

    def test_the_users_kubeconfig_is_changed_only_on_request(self, engine: Engine, tmp_path: Path) -> None:
        user = tmp_path / "config"
        main(["sandbox", "up"])
        assert not user.exists()
        main(["sandbox", "up", "--kubeconfig"])
        assert "kind-j2k-" in user.read_text()
        main(["sandbox", "down"])
        assert "kind-j2k-" not in user.read_text()


class TestDown:
    def test_it_removes_the_sandbox_that_is_named(
        self, engine: Engine, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["sandbox", "down", "--name", "twin"]) == 0
        assert engine.calls == [("down", "twin")]
        assert "-twin: removed 1 container, 1 network" in capsys.readouterr().out
        # The workspace may be lost; it is not made for that.
        assert not list(folder.iterdir())

    def test_or_all_of_the_workspace(self, engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["sandbox", "down", "--all", "--json"]) == 0
        assert engine.calls == [("down", ""), ("down", "twin")]
        assert len(json.loads(capsys.readouterr().out)["removed"]) == 2

    def test_the_workspaces_own_down_can_take_them_along(
        self, engine: Engine, workspace: ws.Workspace, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["down", "--sandbox", "--json"]) == 0
        assert engine.calls == [("down", ""), ("down", "twin")]
        assert len(json.loads(capsys.readouterr().out)["sandboxes"]) == 2
        assert not workspace.root.exists()

    def test_and_without_that_leaves_them_what_they_need(
        self, engine: Engine, workspace: ws.Workspace, capsys: pytest.CaptureFixture[str]
    ) -> None:
        main(["sandbox", "up", "--quiet"])
        ws.write_text(workspace.exchange / ".sandbox", "j2k-1")
        ws.write_text(workspace.exchange / "blobs" / "aa" / "aaaa", "x")
        capsys.readouterr()
        assert main(["down"]) == 0
        assert capsys.readouterr().out.endswith("kept: the sandbox; j2k down --sandbox removes it too\n")
        assert [entry.name for entry in workspace.exchange.iterdir()] == [".sandbox"]
        assert workspace.marker.exists()
        assert engine.calls == [("up", "", "auto", None, False)]


class TestStatus:
    def test_it_shows_every_part(self, engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["sandbox", "status"]) == 0
        told = capsys.readouterr().out
        assert "is not up" in told
        assert "stopped" in told
        assert told.endswith("next  j2k sandbox up\n")

    def test_it_does_so_in_json(self, engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["sandbox", "status", "--name", "twin", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["up"], told["parts"][0]["state"]) == (False, "stopped")
        assert engine.calls == [("status", "twin")]


class TestEngine:
    def test_where_none_of_ours_runs_nothing_is_stopped(self, j2k: J2k) -> None:
        told = j2k("sandbox", "engine", "--stop")
        assert (told.returncode, told.stdout) == (0, "no engine of j2k's runs here; any other is left alone\n")
        assert json.loads(j2k("sandbox", "engine", "--stop", "--json").stdout) == {"stopped": None, "exit_code": 0}

    def test_an_engine_elsewhere_is_not_started(self, j2k: J2k, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
        told = j2k("sandbox", "engine")
        assert told.returncode == 5
        assert "no Docker engine answers at tcp://127.0.0.1:1" in told.stderr
