"""What ``j2k promote`` says before any cluster is asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from j2k_dev.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from j2k_dev.engine.workspace import RunPaths


def words(capfd: pytest.CaptureFixture[str]) -> str:
    return " ".join(capfd.readouterr().err.split())


def test_the_cluster_is_always_named(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["promote", "--yes"]) == 2
    assert "The current context is never taken" in words(capfd)


@pytest.mark.parametrize("more", [["--history"], ["--output", "deploy"], ["--new", "prod"]])
def test_two_things_at_once_are_refused(folder: Path, more: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["promote", "--context", "prod", "--rollback", *more]) == 2
    assert f"--rollback and {more[0]} at once" in words(capfd)


def test_a_target_file_to_fill_in_is_written(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["promote", "--new", "prod"]) == 0
    assert "j2k promote --context prod --plan" in capfd.readouterr().out
    assert "context: prod" in (folder / "targets" / "prod.yaml").read_text()


def test_without_any_run_there_is_no_notebook_to_promote(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["promote", "--context", "prod", "--plan"]) == 2
    assert "no notebook was run here" in words(capfd)


def test_without_a_target_file_it_is_said_how_to_have_one(
    folder: Path, ran: Callable[..., RunPaths], capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "a.ipynb").write_text("{}")
    assert main(["promote", "--context", "prod", "--plan", "--notebook", "a.ipynb", "--json"]) == 2
    told = json.loads(capfd.readouterr().out)["error"]
    assert "there is no target file" in told["message"]
    assert "j2k target prod" in told["way_out"]
    assert not (folder / ".j2k" / "promotions").exists()


def test_all_that_is_wrong_with_a_target_file_is_told_at_once(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "broken.yaml").write_text("contxt: prod\nregistry: {}\n")
    assert main(["promote", "--context", "prod", "--target", "broken.yaml", "--notebook", "a.ipynb", "--history"]) == 2
    told = words(capfd)
    assert "line 1: unknown field contxt" in told
    assert "registry.push is missing" in told


def test_help_tells_of_everything_with_examples(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["promote", "--help"]) == 0
    told = capfd.readouterr().out
    for option in ("--context", "--plan", "--yes", "--output", "--rollback", "--history", "--new", "--policy"):
        assert option in told
    assert "j2k promote --context prod --plan" in told
