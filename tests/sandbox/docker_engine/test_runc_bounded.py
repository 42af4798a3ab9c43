"""The OCI runtime that leaves out what can't be had, run as the engine runs it."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from j2k_dev.sandbox.data import data_folder
from tests.sandbox.engines import place

WRAPPER = data_folder() / "engine" / "runc-bounded.py"


def wrapper() -> ModuleType:
    """Load the wrapper without running it; its name is no module's."""
    spec = importlib.util.spec_from_file_location("wrapper", WRAPPER)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def bounding() -> set[str]:
    """Name what the bounding set of this process has."""
    module = wrapper()
    return {name for name in module.NAMES if name not in module.missing(Path("/proc/self/status").read_text())}


def run(folder: Path, *arguments: str) -> str:
    """Run the wrapper with a runc that only says what it is called with."""
    place(folder / "programs" / "runc", '#!/bin/sh\necho "$@"\n')
    environment = {"PATH": f"{folder / 'programs'}:/usr/bin:/bin"}
    return subprocess.run(
        [sys.executable, "-IS", WRAPPER, *arguments], env=environment, check=True, capture_output=True, text=True
    ).stdout


def capabilities(*names: str) -> dict[str, object]:
    """Give a process that asks for capabilities."""
    kinds = ("bounding", "effective", "permitted")
    return {"args": ["/bin/sh"], "capabilities": {kind: list(names) for kind in kinds}}


def test_a_new_container_asks_for_no_more_than_can_be_had(tmp_path: Path, bounding: set[str]) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"ociVersion": "1.0.2", "process": capabilities("CAP_CHOWN", "CAP_SYS_RESOURCE")}))
    assert run(tmp_path, "--root", "/run/x", "create", "--bundle", str(tmp_path), "id") == (
        f"--root /run/x create --bundle {tmp_path} id\n"
    )
    wanted = [name for name in ("CAP_CHOWN", "CAP_SYS_RESOURCE") if name in bounding]
    assert json.loads(config.read_text()) == {"ociVersion": "1.0.2", "process": capabilities(*wanted)}


@pytest.mark.parametrize("option", ["--process {}", "--process={}", "-p {}"])
def test_so_does_a_process_in_a_container(tmp_path: Path, bounding: set[str], option: str) -> None:
    process = tmp_path / "process.json"
    process.write_text(json.dumps(capabilities("CAP_KILL", "CAP_SYS_RESOURCE")))
    run(tmp_path, "exec", *option.format(process).split(), "id")
    wanted = [name for name in ("CAP_KILL", "CAP_SYS_RESOURCE") if name in bounding]
    assert json.loads(process.read_text()) == capabilities(*wanted)


def test_a_container_without_capabilities_is_left_as_it_is(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"process": {"args": ["/bin/sh"]}, "linux": {}}))
    run(tmp_path, "create", f"--bundle={tmp_path}", "id")
    assert json.loads(config.read_text()) == {"process": {"args": ["/bin/sh"]}, "linux": {}}


def test_everything_else_goes_through(tmp_path: Path) -> None:
    assert run(tmp_path, "--version") == "--version\n"
    assert run(tmp_path, "state", "-p", "id") == "state -p id\n"


def test_what_lacks_is_read_from_the_bounding_set() -> None:
    assert wrapper().missing(f"CapBnd:\t{(1 << 41) - 1 & ~(1 << 24):016x}\n") == {"CAP_SYS_RESOURCE"}
