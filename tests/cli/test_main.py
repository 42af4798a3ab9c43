"""The command line from outside, as a process: exit codes, what is on stdout, what is on stderr."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from j2k_dev import __version__
from j2k_dev.engine import workspace as ws
from j2k_dev.engine.locks import lock

TIMEOUT = 60


J2k = Callable[..., "subprocess.CompletedProcess[str]"]


class TestUsage:
    def test_the_version_is_told(self, j2k: J2k) -> None:
        assert j2k("--version").stdout == f"j2k {__version__}\n"

    @pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
    def test_help_names_every_command(self, j2k: J2k, arguments: list[str]) -> None:
        told = j2k(*arguments)
        assert told.returncode == 0
        commands = ("up", "record", "plan", "run", "verify", "status", "logs", "open", "down", "doctor", "sandbox")
        assert all(f" {command} " in told.stdout for command in commands)

    @pytest.mark.parametrize(
        "name", ["up", "record", "plan", "run", "verify", "status", "logs", "open", "down", "doctor"]
    )
    def test_the_help_of_a_command_has_its_options_and_examples(self, j2k: J2k, name: str) -> None:
        told = j2k(name, "--help")
        assert told.returncode == 0
        assert f" j2k {name}" in told.stdout.partition("Examples")[2]
        assert all(option in told.stdout for option in ("--json", "--workspace", "--quiet", "--verbose"))

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["frob"], "No such command 'frob'"),
            (["up"], "Missing argument 'NOTEBOOK'"),
            (["up", "a.ipynb", "--engine", "moon"], "'moon' is not one of 'auto', 'local', 'kind'"),
            (["up", "a.ipynb", "--frob"], "No such option: --frob"),
            (["up", "a.ipynb", "--timeout", "-1"], "--timeout"),
            (["logs", "-f", "--json"], "--follow and --json do not go together"),
        ],
    )
    def test_wrong_usage_is_exit_2_without_a_traceback(self, j2k: J2k, arguments: list[str], message: str) -> None:
        told = j2k(*arguments)
        assert told.returncode == 2
        assert message in told.stderr + told.stdout
        assert "Traceback" not in told.stderr + told.stdout

    def test_wrong_usage_is_one_json_document_where_that_was_asked_for(self, j2k: J2k) -> None:
        told = j2k("up", "--json")
        assert told.returncode == 2
        assert json.loads(told.stdout) == {
            "error": {
                "kind": "bad input",
                "message": "Missing argument 'NOTEBOOK'",
                "way_out": "j2k up --help shows what it takes",
                "detail": "",
                "exit_code": 2,
            }
        }
        assert not told.stderr

    def test_completion_knows_the_commands(self, j2k: J2k, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("_J2K_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", "j2k ver")
        monkeypatch.setenv("COMP_CWORD", "1")
        assert j2k().stdout.split() == ["verify"]


class TestEndings:
    def test_a_reader_that_goes_away_is_no_error_of_anybody(self, folder: Path, command: list[str]) -> None:
        reading, writing = os.pipe()
        os.close(reading)
        told = subprocess.run(
            [*command, "doctor", "--json", "--quiet"],
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=TIMEOUT,
            check=False,
        )
        os.close(writing)
        assert (told.returncode, told.stderr) == (141, b"")

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_an_interrupt_says_how_to_go_on(
        self, command: list[str], workspace: ws.Workspace, number: signal.Signals
    ) -> None:
        arguments = ["logs", "--follow", "--notebook", "a b.ipynb"]
        log = workspace.run("r1").logs / "load.log"
        ws.write_text(log, "first line\n")
        with (
            lock(workspace),
            subprocess.Popen(
                [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            ) as process,
        ):
            assert process.stdout
            assert process.stdout.readline() == "load: first line\n"
            process.send_signal(number)
            _stdout, stderr = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 130
        assert "run the same command again to go on: j2k logs --follow --notebook 'a b.ipynb'" in stderr
        assert "Traceback" not in stderr

    def test_a_bug_of_ours_keeps_its_traceback_in_the_workspace(self, j2k: J2k, workspace: ws.Workspace) -> None:
        # A run.json that is a folder is nothing that any of our commands makes.
        workspace.run("r1").summary.mkdir(parents=True)
        told = j2k("status")
        assert told.returncode == 70
        assert "Traceback" not in told.stderr
        (file,) = workspace.root.glob("bug-*.txt")
        assert str(file) in told.stderr.replace("\n", "")
        assert "IsADirectoryError" in file.read_text()

    def test_a_bug_of_ours_shows_its_traceback_where_that_was_asked_for(
        self, j2k: J2k, workspace: ws.Workspace
    ) -> None:
        workspace.run("r1").summary.mkdir(parents=True)
        assert "Traceback" in j2k("status", "-v").stderr
        assert not list(workspace.root.glob("bug-*.txt"))

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="SKIPPED: this system has no /dev/full")
    def test_a_full_disk_is_exit_5(self, folder: Path, command: list[str]) -> None:
        with Path("/dev/full").open("w") as full:
            told = subprocess.run(
                [*command, "doctor", "--json"],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                timeout=TIMEOUT,
                check=False,
            )
        assert told.returncode == 5


def test_what_is_not_there_is_said_with_a_way_out(j2k: J2k, folder: Path) -> None:
    for command in ("status", "logs", "open", "down"):
        told = j2k(command)
        assert told.returncode == 2
        assert "has kept nothing" in told.stderr
        assert "--workspace DIR" in told.stderr
    assert not (folder / ".j2k").exists()
