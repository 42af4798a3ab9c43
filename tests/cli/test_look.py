"""status, logs and open, on a workspace as a run leaves it."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from j2k_dev.engine import workspace as ws
from j2k_dev.engine.locks import lock

J2k = Callable[..., "subprocess.CompletedProcess[str]"]
Ran = Callable[..., ws.RunPaths]


class TestStatus:
    def test_it_shows_the_latest_run_and_names_earlier_ones(self, j2k: J2k, ran: Ran) -> None:
        ran("older", started=1.0)
        ran("newer", started=2.0)
        told = j2k("status")
        assert told.returncode == 0
        assert "run newer, engine local" in told.stdout
        assert "earlier: older  equal" in told.stdout

    def test_it_says_the_same_in_json(self, j2k: J2k, ran: Ran, workspace: ws.Workspace) -> None:
        ran("older", started=1.0)
        ran("newer", started=2.0)
        told = json.loads(j2k("status", "--json").stdout)
        assert told["workspace"] == str(workspace.root)
        assert told["at_work"] is None
        assert [run["run"] for run in told["runs"]] == ["newer", "older"]
        assert (told["latest"]["run"], told["latest"]["verdict"]) == ("newer", "equal")

    def test_it_says_who_is_at_work(self, j2k: J2k, workspace: ws.Workspace) -> None:
        with lock(workspace):
            assert "at work: process" in j2k("status").stdout
            assert json.loads(j2k("status", "--json").stdout)["at_work"]["pid"] > 0

    def test_it_says_how_a_run_that_was_cut_off_goes_on(self, j2k: J2k, workspace: ws.Workspace) -> None:
        workspace.run("cut-off").logs.mkdir(parents=True)
        assert "run cut-off has not ended: the command that started it, run again, goes on" in j2k("status").stdout

    def test_a_cluster_that_does_not_answer_is_told_and_the_rest_is_shown(
        self, j2k: J2k, ran: Ran, workspace: ws.Workspace
    ) -> None:
        ran("newer")
        placed = {
            "pipeline": "p", "namespace": "j2k-p", "context": "kind-x", "kubeconfig": "none", "kubectl": "false",
            "stages": {"a": "stage-1-a"}, "runs": ["newer"],
        }  # fmt: skip
        (workspace.root / "clusters.json").write_text(json.dumps({"p": placed}))
        told = j2k("status").stdout
        assert "run newer" in told
        assert "p on kind-x, namespace j2k-p\n  false ended with 1; see whether the cluster answers" in told
        found = json.loads(j2k("status", "--json").stdout)["deployments"]
        assert [each["pipeline"] for each in found] == ["p"]

    def test_it_says_that_nothing_has_run(self, j2k: J2k, workspace: ws.Workspace) -> None:
        assert j2k("status").stdout == f"nothing has run in {workspace.root} yet\n"

    def test_a_run_of_another_version_is_named_and_the_others_are_shown(
        self, j2k: J2k, ran: Ran, workspace: ws.Workspace
    ) -> None:
        ran("good", started=1.0)
        ws.write_json(workspace.run("odd").summary, {"started": 2.0, "colour": "blue"})
        told = j2k("status")
        assert "of another version of j2k" in told.stderr
        assert "run good" in told.stdout

    def test_it_finds_the_workspace_of_a_notebook_elsewhere(
        self, j2k: J2k, ran: Ran, workspace: ws.Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ran("r1")
        monkeypatch.chdir(tmp_path)
        for place in (["folder/a b.ipynb"], ["folder"], ["--workspace", str(workspace.root)]):
            assert "run r1" in j2k("status", *place).stdout


class TestLogs:
    def test_they_are_shown_stage_by_stage(self, j2k: J2k, ran: Ran) -> None:
        ran("r1", logs={"load": "one\ntwo\n", "fit": "three"})
        assert j2k("logs").stdout == "load: one\nload: two\nfit: three\n"
        assert j2k("logs", "fit").stdout == "three\n"

    def test_an_earlier_run_can_be_asked_for(self, j2k: J2k, ran: Ran) -> None:
        ran("older", started=1.0, logs={"load": "old\n"})
        ran("newer", started=2.0, logs={"load": "new\n"})
        assert (j2k("logs").stdout, j2k("logs", "--run", "older").stdout) == ("load: new\n", "load: old\n")

    def test_they_are_one_json_document(self, j2k: J2k, ran: Ran) -> None:
        ran("r1", logs={"load": "one\n"})
        assert json.loads(j2k("logs", "--json").stdout) == {"run": "r1", "logs": {"load": "one\n"}}

    @pytest.mark.parametrize(
        ("arguments", "message"), [(["nonsense"], "no log of a stage nonsense"), (["--run", "x"], "there is no run x")]
    )
    def test_what_is_not_there_is_said(self, j2k: J2k, ran: Ran, arguments: list[str], message: str) -> None:
        ran("r1", logs={"load": "one\n"})
        told = j2k("logs", *arguments)
        assert told.returncode == 2
        assert message in told.stderr

    def test_following_shows_whole_lines_until_the_run_ends(
        self, ran: Ran, workspace: ws.Workspace, command: list[str]
    ) -> None:
        paths = ran("r1", logs={"load": "one\nhal"})
        with subprocess.Popen([*command, "logs", "-f"], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            with lock(workspace):
                first = process.stdout.readline()
                with (paths.logs / "load.log").open("a") as log:
                    log.write("f\n")
                second = process.stdout.readline()
                with (paths.logs / "load.log").open("a") as log:
                    log.write("last, unfinished")
            rest, _ = process.communicate(timeout=60)
        assert (first, second, rest) == ("load: one\n", "load: half\n", "load: last, unfinished\n")
        assert process.returncode == 0


class TestOpen:
    def test_it_says_where_the_report_is(self, j2k: J2k, ran: Ran) -> None:
        report = ran("r1").report
        assert j2k("open").stdout == f"{report}\n"
        assert json.loads(j2k("open", "--json").stdout) == {"report": str(report), "opened": False}

    def test_it_opens_the_report_in_the_browser(
        self, j2k: J2k, ran: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        report = ran("r1").report
        browser = tmp_path / "browser"
        browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
        browser.chmod(0o755)
        monkeypatch.setenv("BROWSER", str(browser))
        monkeypatch.setenv("DISPLAY", ":0")
        assert json.loads(j2k("open", "--json").stdout)["opened"] is True
        assert (tmp_path / "opened").read_text() == f"{report.as_uri()}\n"

    def test_a_run_without_a_report_is_said(self, j2k: J2k, workspace: ws.Workspace) -> None:
        workspace.run("r1").root.mkdir(parents=True)
        told = j2k("open")
        assert told.returncode == 2
        assert "the run r1 has no report yet" in told.stderr
