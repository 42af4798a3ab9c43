"""Naming a cluster of one's own: the target file that is written, and what is refused before anything is done."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from j2k_dev.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

CELL: dict[str, object] = {
    "id": "a",
    "cell_type": "code",
    "source": "1",
    "metadata": {},
    "outputs": [],
    "execution_count": None,
}
NOTEBOOK = json.dumps({"cells": [CELL], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def test_a_target_file_is_written_once(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["target", "prod", "--json"]) == 0
    file = folder / "targets" / "prod.yaml"
    assert json.loads(capfd.readouterr().out)["target"] == str(file)
    file.write_text("mine")
    assert main(["target", "prod"]) == 2
    assert "is there already" in capfd.readouterr().err
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--context", "prod"], "there is no target file"),
        (["--context", "prod", "--target", "broken.yaml"], "line 1: unknown field contxt"),
        (["--context", "prod", "--engine", "local"], "--engine local runs on this machine"),
        (["--target", "broken.yaml"], "--context NAME says that it is to be used"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_done(
    arguments: list[str],
    told: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("J2K_ENGINE", raising=False)
    (folder / "a.ipynb").write_text(NOTEBOOK)
    (folder / "broken.yaml").write_text("contxt: prod\n")
    assert main(["up", "a.ipynb", *arguments]) == 2
    assert told in " ".join(capfd.readouterr().err.split())
    assert not (folder / ".j2k").exists()
