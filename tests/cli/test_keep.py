"""down and doctor."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from j2k_dev.engine import workspace as ws
from j2k_dev.engine.locks import lock

J2k = Callable[..., CompletedProcess[str]]


class TestDown:
    def test_it_says_what_it_removed_and_what_it_kept(
        self, j2k: J2k, folder: Path, ran: Callable[..., ws.RunPaths], workspace: ws.Workspace
    ) -> None:
        ran("r1")
        (workspace.root / "diary.txt").write_text("mine")
        told = j2k("down")
        assert told.returncode == 0
        assert f"removed from {workspace.root}: .gitignore, lock, runs, workspace.json" in told.stdout
        assert "kept, because it is not j2k's: diary.txt" in told.stdout
        assert [entry.name for entry in workspace.root.iterdir()] == ["diary.txt"]

    def test_it_says_so_in_json(self, j2k: J2k, folder: Path, workspace: ws.Workspace) -> None:
        told = json.loads(j2k("down", "--json").stdout)
        assert told["root"] == str(workspace.root)
        assert "workspace.json" in told["names"]
        assert not list(folder.iterdir())

    def test_a_folder_that_is_not_a_workspace_is_left_alone(self, j2k: J2k, folder: Path) -> None:
        (folder / ".j2k" / "runs").mkdir(parents=True)
        assert j2k("down").returncode == 2
        assert (folder / ".j2k" / "runs").is_dir()

    def test_what_was_left_on_a_clusters_volume_stays_until_it_is_purged(
        self, j2k: J2k, workspace: ws.Workspace
    ) -> None:
        (workspace.exchange / "blobs").mkdir(parents=True)
        (workspace.root / "clusters.json").write_text("{}")
        for _ in range(2):
            told = j2k("down")
            assert "kept: what pipelines left on the cluster's volume" in told.stdout
            assert (workspace.exchange / "blobs").is_dir()
        assert j2k("down", "--purge").returncode == 0
        assert not workspace.root.exists()

    def test_a_pipeline_on_a_cluster_that_is_gone_is_forgotten(self, j2k: J2k, workspace: ws.Workspace) -> None:
        placed = {
            "pipeline": "p", "namespace": "j2k-p", "context": "kind-x", "kubeconfig": str(workspace.root / "none"),
            "kubectl": "kubectl", "stages": {"a": "stage-1-a"}, "runs": ["r"],
        }  # fmt: skip
        (workspace.root / "clusters.json").write_text(json.dumps({"p": placed}))
        assert json.loads(j2k("down", "--json").stdout)["namespaces"] == ["j2k-p"]

    def test_while_something_is_at_work_it_is_refused(self, j2k: J2k, workspace: ws.Workspace) -> None:
        with lock(workspace):
            told = j2k("down")
        assert told.returncode == 4
        assert "is at work in" in told.stderr
        assert workspace.marker.exists()


class TestDoctor:
    def test_where_the_local_engine_works_it_says_so(self, j2k: J2k) -> None:
        told = j2k("doctor")
        assert told.returncode == 0
        assert told.stdout.endswith("the local engine works here\n")

    def test_every_check_that_is_not_ok_says_the_way_out(
        self, j2k: J2k, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (folder / "file").touch()
        monkeypatch.setenv("J2K_CACHE", str(folder / "file"))
        monkeypatch.setenv("PATH", str(folder))
        monkeypatch.setenv("DOCKER_HOST", f"unix://{folder}/none.sock")
        told = j2k("doctor", "--json", "--workspace", str(folder / "file" / "below"))
        document = json.loads(told.stdout)
        assert told.returncode == document["exit_code"] == 5
        assert document["local_engine"] is False
        states = {check["name"]: check["state"] for check in document["checks"]}
        assert (states["cache"], states["workspace"], states["Docker"]) == ("missing", "missing", "absent")
        assert (states["docker command"], states["building images"]) == ("absent", "absent")
        assert all(bool(check["way_out"]) == (check["state"] != "ok") for check in document["checks"])

    def test_what_the_sandbox_stands_on_is_looked_at_too(self, j2k: J2k) -> None:
        checks = {check["name"]: check for check in json.loads(j2k("doctor", "--json").stdout)["checks"]}
        assert {"Docker", "docker command", "cgroups", "cluster tools", "inotify", "building images"} < checks.keys()
        assert checks["cgroups"]["told"] in {"version 1", "version 2"}
        assert "GB free for" in checks["room for images"]["told"]


@pytest.mark.e2e
def test_after_down_nothing_is_left_of_a_run(j2k: J2k, folder: Path) -> None:
    cell: dict[str, object] = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    cells = [cell | {"source": source} for source in ("open('a.txt', 'w').write('x')", "open('a.txt').read()")]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    (folder / "a.ipynb").write_text(json.dumps(notebook))
    told = j2k("up", "a.ipynb", "--split", "cells", "--json")
    assert (told.returncode, json.loads(told.stdout)["verdict"]) == (0, "equal"), told.stderr
    assert "kept" not in j2k("down", "a.ipynb").stdout
    assert [entry.name for entry in folder.iterdir()] == ["a.ipynb"]
