"""The README's promises about the command line."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from j2k_dev.cli.app import build_app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def pasted(mark: str) -> list[str]:
    """Give the lines that a reader pastes after this mark."""
    block = re.search(rf"<!-- {mark} -->\n```sh\n(.*?)```", README, re.DOTALL)
    assert block, f"README.md has no block marked {mark}"
    return block[1].splitlines()


def test_every_command_is_in_the_table() -> None:
    group = typer.main.get_command(build_app())
    commands = set(group.list_commands(typer.Context(group)))  # type: ignore[attr-defined]  # it is a group
    rows = [row.partition("|")[0] for row in re.findall(r"^\| (`j2k .*?) \|", README, re.MULTILINE)]
    assert {word for row in rows for word in re.findall(r"`(?:j2k )?([a-z-]+)", row)} == commands


@pytest.mark.parametrize("mark", ["try", "tests"])
def test_what_is_pasted_is_one_line(mark: str) -> None:
    (line,) = pasted(mark)
    assert shlex.split(line)


def test_the_example_is_there() -> None:
    (line,) = pasted("try")
    assert (ROOT / shlex.split(line)[-1]).is_file()


def test_continuous_integration_finds_the_test_command() -> None:
    pattern = re.search(r"sed -n '([^']*)' README\.md", (ROOT / ".ci" / "run").read_text(encoding="utf-8"))
    assert pattern
    assert "<!-- tests -->" in pattern[1]
    assert shlex.split(pasted("tests")[0])[-2:] == [".venv/bin/task", "test"]
