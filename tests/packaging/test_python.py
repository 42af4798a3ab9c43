"""An interpreter says what it consists of."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.packaging.python import Python, normal, take_inventory


@pytest.fixture(scope="module")
def ours() -> Python:
    return take_inventory(Path(sys.executable))


def test_the_inventory_names_the_interpreter_and_its_library(ours: Python) -> None:
    assert ours.executable == sys.executable
    assert ours.minor == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert Path(ours.libraries[0], "os.py").is_file()


def test_the_folder_of_the_asking_script_is_not_on_the_path(ours: Python) -> None:
    assert not any(entry.endswith("/j2k_dev/packaging") for entry in ours.path)


def test_a_file_belongs_to_its_distribution(ours: Python) -> None:
    import IPython

    assert ours.owners[IPython.__file__].name == "ipython"
    assert ours.providers["IPython"] == {"ipython"}


def test_what_a_distribution_needs_is_followed_as_far_as_it_is_installed(ours: Python) -> None:
    assert {"ipykernel", "ipython", "jedi", "parso", "traitlets"} <= ours.with_needs(["IPyKernel"])


def test_names_are_written_as_the_index_has_them() -> None:
    assert normal("ruamel.yaml_Clib") == "ruamel-yaml-clib"


def test_a_program_that_is_no_python_is_refused() -> None:
    with pytest.raises(MachineryFailed, match="did not say what it consists of"):
        take_inventory(Path("/bin/true"))
