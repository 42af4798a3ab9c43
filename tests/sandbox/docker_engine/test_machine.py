"""What this machine is."""

import os
from pathlib import Path

import pytest

from j2k_dev.sandbox.docker_engine.machine import cgroup_version, find_program, lacks_capabilities, this_machine

STATUS = "Name:\tcat\nCapEff:\t0000000000000000\nCapBnd:\t{:016x}\nCapAmb:\t0000000000000000\n"
ALL = (1 << 41) - 1
SYS_RESOURCE = 1 << 24


def test_where_the_bounding_set_has_all_that_the_kernel_knows_nothing_lacks() -> None:
    assert not lacks_capabilities(STATUS.format(ALL), 40)


def test_one_missing_capability_is_seen() -> None:
    assert lacks_capabilities(STATUS.format(ALL & ~SYS_RESOURCE), 40)


def test_what_the_kernel_does_not_know_does_not_lack() -> None:
    assert not lacks_capabilities(STATUS.format((1 << 38) - 1), 37)
    assert lacks_capabilities(STATUS.format((1 << 38) - 1), 40)


def test_programs_of_administrators_are_found_with_a_users_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dockerd").touch(0o755)
    monkeypatch.setattr("j2k_dev.sandbox.docker_engine.machine._ADMINISTRATORS", str(tmp_path))
    monkeypatch.setenv("PATH", "/nowhere")
    assert find_program("dockerd") == tmp_path / "dockerd"
    assert find_program("no-such-program") is None


def test_this_machine_is_looked_at() -> None:
    machine = this_machine()
    assert machine.linux
    assert machine.root == (os.geteuid() == 0)
    assert machine.debian == Path("/etc/debian_version").exists()
    assert cgroup_version() in (1, 2)
