"""Without a trace: exact versions from the index, with hashes, at the places that they have here."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from j2k_dev.model.errors import MachineryFailed, Refused
from j2k_dev.packaging.locked import install, lock, needed_distributions, select_locked
from j2k_dev.packaging.python import Distribution, take_inventory

if TYPE_CHECKING:
    from tests.packaging.conftest import Machine


def test_what_was_imported_is_needed_with_all_that_it_needs(machine: Machine) -> None:
    names = [each.name for each in needed_distributions(machine.python, ["used.lazy"])]
    assert names == ["ipykernel", "needed", "used"]


def test_what_no_index_has_is_refused_by_name(machine: Machine) -> None:
    local = replace(machine.python.by_name["used"], local=True)
    python = replace(machine.python, distributions=(local, *machine.python.distributions))
    with pytest.raises(Refused, match="used: installed from a folder") as caught:
        needed_distributions(python, ["used"])
    assert "--package trace" in caught.value.way_out


def test_what_pip_installed_goes_where_the_environment_is(machine: Machine, tmp_path: Path) -> None:
    installed = tmp_path / "prefix" / "lib" / "python3.11" / "site-packages" / "new.py"
    installed.parent.mkdir(parents=True)
    installed.write_text("x = 1\n")
    chosen = select_locked(machine.python, tmp_path / "prefix")
    assert chosen.moved == {f"{machine.root}/env/lib/python3.11/site-packages/new.py": str(installed)}
    assert machine.python.executable in chosen.files


@pytest.mark.outside
def test_a_distribution_is_locked_and_installed_from_the_index(tmp_path: Path) -> None:
    python = take_inventory(Path(sys.executable))
    text = lock(python, [Distribution("iniconfig", "2.1.0", ())])
    assert text.splitlines()[1].startswith("iniconfig==2.1.0 --hash=sha256:")
    prefix = install(python, text, tmp_path)
    assert list(prefix.rglob("iniconfig/__init__.py"))
    with pytest.raises(MachineryFailed, match="pip can't get the versions"):
        install(python, text.replace("sha256:", "sha256:0")[:-2] + "\n", tmp_path)
