"""The files of an environment are what was traced, completed, and nothing that is the notebook's or a secret."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from j2k_dev.packaging.files import (
    ELSEWHERE,
    MACHINE,
    NOTEBOOKS,
    SECRET,
    Selection,
    packable,
    select,
    select_interpreter,
    traced_files,
    written_into,
)
from j2k_dev.packaging.start import HOME

if TYPE_CHECKING:
    from tests.packaging.conftest import Machine

SITE = "env/lib/python3.11/site-packages"
LIBRARY = "base/lib/python3.11"


def below(machine: Machine, selection: Selection) -> set[str]:
    root = f"{machine.root}/"
    return {path.removeprefix(root) for path in selection.files if path.startswith(root)}


def test_a_distribution_that_was_touched_goes_in_whole_with_what_it_needs(machine: Machine) -> None:
    chosen = below(machine, select([machine.write(f"{SITE}/used/__init__.py")], machine.python, machine.places))
    assert {f"{SITE}/used/lazy.py", f"{SITE}/used/data.csv", f"{SITE}/used-1.dist-info/RECORD"} <= chosen
    assert f"{SITE}/needed.py" in chosen
    assert not any("unused" in path for path in chosen)


def test_reading_about_a_distribution_is_not_using_it(machine: Machine) -> None:
    read = f"{SITE}/unused-3.dist-info/entry_points.txt"
    chosen = below(machine, select([machine.write(read)], machine.python, machine.places))
    assert read in chosen
    assert f"{SITE}/unused/__init__.py" not in chosen


def test_a_module_that_only_the_text_names_goes_in(machine: Machine) -> None:
    assert f"{SITE}/unused/__init__.py" in below(machine, select([], machine.python, machine.places, ["unused"]))


def test_the_standard_library_goes_in_without_its_tests(machine: Machine) -> None:
    chosen = below(machine, select([], machine.python, machine.places))
    assert {f"{LIBRARY}/os.py", f"{LIBRARY}/json/__init__.py"} <= chosen
    assert not any("test" in path or "idlelib" in path for path in chosen)


def test_j2k_itself_goes_in_by_no_distribution(machine: Machine) -> None:
    traced = [machine.write(f"{SITE}/j2k_dev/__init__.py"), machine.write("project/src/j2k_dev/worker.py")]
    assert not any("j2k_dev" in path for path in below(machine, select(traced, machine.python, machine.places)))


def test_a_package_that_no_distribution_lists_goes_in_whole(machine: Machine) -> None:
    """Editable installations and folders on PYTHONPATH are like that."""
    machine.write("project/src/mine/__init__.py")
    machine.write("project/src/mine/lazy.py")
    machine.write("project/src/mine/sub/__init__.py")
    machine.write("project/src/mine/.git/config")
    machine.write("project/data.csv")
    traced = [machine.write("project/src/mine/sub/module.py")]
    chosen = {path for path in below(machine, select(traced, machine.python, machine.places)) if "project" in path}
    assert chosen == {
        f"project/src/mine/{name}" for name in ("__init__.py", "lazy.py", "sub/__init__.py", "sub/module.py")
    }


def test_files_put_beside_distributions_by_hand_go_in_with_their_folder(machine: Machine) -> None:
    machine.write(f"{SITE}/byhand/other.py")
    traced = [machine.write(f"{SITE}/byhand/one.py"), machine.write(f"{SITE}/more.pth")]
    assert {f"{SITE}/byhand/other.py", f"{SITE}/more.pth"} <= below(
        machine, select(traced, machine.python, machine.places)
    )


def test_what_is_the_notebooks_own_or_data_elsewhere_stays_out_and_is_told(machine: Machine) -> None:
    data, elsewhere = machine.write("desk/data.csv"), machine.write("data/big.csv")
    ours = machine.write("desk/.j2k/recordings/spec.json")
    chosen = select([data, elsewhere, ours, "/etc/hostname"], machine.python, machine.places)
    assert not {data, elsewhere, ours, "/etc/hostname"} & chosen.files
    assert chosen.left_out[data] == NOTEBOOKS
    assert chosen.left_out[elsewhere].startswith(("temporary", ELSEWHERE))
    assert chosen.left_out["/etc/hostname"] == MACHINE
    assert ours not in chosen.left_out


def test_an_environment_in_the_notebooks_folder_goes_in(machine: Machine) -> None:
    from dataclasses import replace

    places = replace(machine.places, notebook=str(machine.root))
    used = machine.write(f"{SITE}/used/__init__.py")
    data = machine.write("data.csv")
    chosen = select([used, data], machine.python, places)
    assert used in chosen.files
    assert data not in chosen.files
    assert traced_files([used, data], places, f"{machine.root}/env") == [used]


@pytest.mark.parametrize("name", ["credentials.json", ".netrc", "id_rsa"])
def test_a_secret_inside_a_distribution_stays_out(machine: Machine, name: str) -> None:
    secret = machine.write(f"{SITE}/byhand/{name}")
    chosen = select([machine.write(f"{SITE}/byhand/one.py"), secret], machine.python, machine.places)
    assert secret not in chosen.files
    assert chosen.left_out[secret] == SECRET


def test_the_system_brings_a_shell_certificates_and_time_zones(machine: Machine) -> None:
    chosen = select([], machine.python, machine.places).files
    assert "/bin/sh" in chosen
    wanted = [
        "/usr/share/zoneinfo/Europe/Berlin",
        "/etc/ssl/certs/ca-certificates.crt",
        "/usr/lib/locale/C.utf8/LC_CTYPE",
    ]
    assert set(filter(os.path.exists, wanted)) <= chosen
    assert "/etc/passwd" not in chosen


def test_libraries_of_programs_go_in_though_nobody_traced_them(machine: Machine) -> None:
    chosen = select_interpreter(machine.python).files
    assert any(path.endswith("/libc.so.6") for path in chosen)


def test_the_list_of_fonts_goes_where_a_container_has_its_home(machine: Machine) -> None:
    fonts = machine.write("home/me/.cache/matplotlib/fontlist-v3.11.0.json", "{}")
    chosen = select([fonts], machine.python, machine.places)
    assert chosen.moved == {f"{HOME}/.cache/matplotlib/fontlist-v3.11.0.json": fonts}


def test_a_pack_takes_the_notebooks_own_files_too_but_no_secret(machine: Machine) -> None:
    data, secret = machine.write("desk/data.csv"), machine.write("desk/.env")
    elsewhere = machine.write("home/me/notes.txt")
    used = machine.write(f"{SITE}/used/__init__.py")
    assert packable([data, secret, elsewhere, used], machine.python, machine.places) == {data, used}


def test_writing_into_the_interpreters_folders_is_noticed_but_not_caches(machine: Machine) -> None:
    site, work = f"{machine.root}/{SITE}", f"{machine.root}/desk"
    written = [f"{site}/used/new.py", f"{site}/used/__pycache__/x.nbi", f"{work}/out.csv"]
    assert written_into(written, machine.python) == [f"{site}/used/new.py"]
