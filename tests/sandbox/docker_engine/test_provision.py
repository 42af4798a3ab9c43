"""Having an engine where none answers, with stand-ins for Debian's package tools and for dockerd."""

import fcntl
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.sandbox.commands import Command
from j2k_dev.sandbox.docker_engine import provision
from j2k_dev.sandbox.docker_engine.daemon import Daemon, find, start, stop
from j2k_dev.sandbox.docker_engine.engine import NoEngine
from j2k_dev.sandbox.docker_engine.machine import Machine
from j2k_dev.sandbox.docker_engine.provision import provide_engine, stop_engine
from tests.sandbox.engines import Notes, name_engine, place, place_dockerd

MACHINE = Machine(linux=True, debian=True, wsl=False, systemd=False, root=True, installed=False, user="root")


@dataclass
class Packages:
    """Runs Debian's package tools: what is installed is there afterwards, and ``service`` is what systemd starts."""

    programs: Path
    run_so_far: list[str] = field(default_factory=list)
    first_answer: str = ""
    service: Daemon | None = None

    def run(self, command: Command, way_out: str = "") -> str:
        words = [word for word in map(str, command.arguments) if not word.startswith(("-o", "--", "DPkg"))]
        self.run_so_far.append(" ".join(words))
        if "install" in words and self.first_answer:
            detail, self.first_answer = self.first_answer, ""
            raise MachineryFailed("apt-get ended with 100", way_out, detail)
        if "docker.io" in words:
            place_dockerd(self.programs)
        if "systemctl" in words and self.service:
            start(self.service)
        if "debootstrap" in words:
            place(self.programs / "debootstrap", "#!/bin/sh\n")
        return ""


@pytest.fixture(autouse=True)
def limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave this machine's limits as they are."""
    monkeypatch.setattr(provision, "raise_limits", lambda progress: None)


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Know of no other engine on this machine; return where one would be."""
    monkeypatch.setattr(provision, "DEFAULT_ADDRESS", f"unix://{tmp_path}/none.sock")
    return tmp_path / "none.sock"


@pytest.fixture
def bare(daemon: Daemon, programs: Path) -> Packages:
    """Make a machine on which nothing is installed."""
    (programs / "dockerd").unlink()
    return Packages(programs)


def test_an_engine_that_answers_is_left_alone(daemon: Daemon, bare: Packages, tmp_path: Path) -> None:
    place_dockerd(bare.programs)
    theirs = replace(daemon, folder=tmp_path / "theirs")
    start(theirs)
    try:
        provided = provide_engine(MACHINE, bare, notes := Notes())
        assert (provided.ours, provided.log, provided.installed) == (None, None, ())
        assert provided.address == daemon.address
        assert (bare.run_so_far, notes.told) == ([], [])
        assert stop_engine(Notes()) is None
    finally:
        assert stop(theirs)


def test_on_a_bare_machine_it_is_installed_and_started(daemon: Daemon, bare: Packages) -> None:
    provided = provide_engine(MACHINE, bare, notes := Notes())
    assert bare.run_so_far == [
        "apt-get update",
        "apt-get install docker.io debootstrap debian-archive-keyring",
        "service docker stop",
    ]
    assert provided.installed == ("docker.io", "debootstrap", "debian-archive-keyring")
    assert provided.ours == find(daemon)
    assert provided.log == str(daemon.log)
    assert notes.told == ["installing docker.io, debootstrap, debian-archive-keyring", "starting the Docker engine"]


def test_what_is_installed_is_not_installed_again(daemon: Daemon, bare: Packages) -> None:
    first = provide_engine(MACHINE, bare, Notes())
    assert stop_engine(Notes()) == first.ours
    bare.run_so_far.clear()
    again = provide_engine(MACHINE, bare, Notes())
    assert bare.run_so_far == []
    assert again.ours not in (None, first.ours)


def test_the_second_time_nothing_is_done(daemon: Daemon, bare: Packages) -> None:
    first = provide_engine(MACHINE, bare, Notes())
    again = provide_engine(MACHINE, bare, notes := Notes())
    assert again == replace(first, installed=())
    assert notes.told == []


def test_an_installation_that_was_killed_is_taken_up(daemon: Daemon, bare: Packages) -> None:
    bare.first_answer = "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem."
    provided = provide_engine(MACHINE, bare, Notes())
    assert bare.run_so_far[1:4] == [
        "apt-get install docker.io debootstrap debian-archive-keyring",
        "dpkg -a",
        "apt-get install docker.io debootstrap debian-archive-keyring",
    ]
    assert provided.ours


def test_an_installation_that_fails_says_where_its_log_is(daemon: Daemon, bare: Packages) -> None:
    bare.first_answer = "E: Failed to fetch http://mirror.example.org/..."
    with pytest.raises(MachineryFailed) as told:
        provide_engine(MACHINE, bare, Notes())
    assert told.value.way_out == f"see {daemon.folder}/apt.log; then run j2k sandbox engine again"


def test_two_at_once_start_one(daemon: Daemon, bare: Packages) -> None:
    """The second one waits for the lock, and then finds an engine that answers."""
    daemon.folder.mkdir(parents=True)
    notes = Notes()
    with daemon.lock_file.open("a") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        second = threading.Thread(target=lambda: provide_engine(MACHINE, bare, notes))
        second.start()
        assert notes.noted.wait(30)
        place_dockerd(bare.programs)
        pid = start(daemon)
    second.join(60)
    assert notes.told == ["waiting for another j2k that starts or stops the Docker engine"]
    assert bare.run_so_far == []
    assert find(daemon) == pid


@pytest.mark.parametrize(
    "machine", [replace(MACHINE, root=False), replace(MACHINE, debian=False), replace(MACHINE, linux=False)]
)
def test_where_it_cannot_be_started_the_way_out_is_said(daemon: Daemon, bare: Packages, machine: Machine) -> None:
    with pytest.raises(NoEngine):
        provide_engine(machine, bare, Notes())
    assert bare.run_so_far == []


def test_an_engine_elsewhere_is_not_ours_to_start(bare: Packages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(NoEngine, match="no Docker engine answers at tcp://127"):
        provide_engine(MACHINE, bare, Notes())


def test_an_engine_that_a_context_names_is_not_ours_to_start(
    bare: Packages, socket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOCKER_HOST")
    name_engine(socket.parent, "desktop", f"unix://{socket}")
    with pytest.raises(NoEngine, match=f"no Docker engine answers at unix://{socket}") as told:
        provide_engine(MACHINE, bare, Notes())
    assert "docker context use default" in told.value.way_out


def test_a_second_engine_beside_one_that_answers_is_refused(
    bare: Packages, socket: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place_dockerd(bare.programs)
    other = Daemon(tmp_path / "other", f"unix://{socket.parent}/other.sock")
    monkeypatch.setenv("DOCKER_HOST", other.address)
    start(other)
    try:
        monkeypatch.setattr(provision, "DEFAULT_ADDRESS", other.address)
        monkeypatch.setenv("DOCKER_HOST", f"unix://{socket}")
        with pytest.raises(MachineryFailed, match="two on one machine disturb each other") as told:
            provide_engine(MACHINE, bare, Notes())
        assert told.value.way_out == "unset DOCKER_HOST"
    finally:
        assert stop(other)


def test_under_systemd_its_service_is_started(
    daemon: Daemon, bare: Packages, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(provision, "DEFAULT_ADDRESS", daemon.address)
    bare.service = replace(daemon, folder=tmp_path / "system")
    try:
        provided = provide_engine(replace(MACHINE, systemd=True), bare, Notes())
        assert bare.run_so_far[-1] == "systemctl start docker"
        assert provided.ours is None
    finally:
        assert stop(bare.service)
