"""Connecting to the Docker engine, and what is said where that fails."""

import contextlib
import os
import socket as sockets
from dataclasses import replace
from pathlib import Path

import pytest
from requests.exceptions import ConnectionError as RequestsError

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.sandbox.docker_engine import engine
from j2k_dev.sandbox.docker_engine.daemon import Daemon, start
from j2k_dev.sandbox.docker_engine.engine import (
    DEFAULT_ADDRESS,
    EngineHangs,
    NoEngine,
    address,
    answers,
    connect,
    engine_facts,
    way_to_engine,
)
from j2k_dev.sandbox.docker_engine.machine import Machine
from tests.sandbox.engines import name_engine

LINUX = Machine(linux=True, debian=False, wsl=False, systemd=True, root=False, installed=False, user="ada")
DEBIAN = replace(LINUX, debian=True)
MAC = replace(LINUX, linux=False, systemd=False)


class TestConnecting:
    def test_an_engine_that_answers_says_what_it_is(self, daemon: Daemon) -> None:
        start(daemon)
        with contextlib.closing(connect()) as client:
            facts = engine_facts(client)
        assert (facts.version, facts.api, facts.cgroup_version, facts.root) == (
            "20.10.24",
            "1.41",
            2,
            "/var/lib/docker",
        )
        assert facts.rootless
        assert not facts.desktop

    def test_one_that_is_too_old_is_refused_by_its_version(
        self, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FAKE_API", "1.40")
        with pytest.raises(MachineryFailed, match=r"too old: API 1\.40, and 1\.41 is needed") as told:
            start(daemon)
        assert told.value.way_out == "update it to Docker 20.10 or later"

    def test_where_there_is_none_the_address_is_named(self, socket: Path) -> None:
        with pytest.raises(NoEngine, match=f"no Docker engine answers at unix://{socket}") as told:
            connect()
        assert told.value.exit_code == 5
        assert "unset DOCKER_HOST" in told.value.way_out
        assert not answers()

    def test_a_socket_that_nobody_listens_to_is_none(self, socket: Path) -> None:
        with contextlib.closing(sockets.socket(sockets.AF_UNIX)) as left:
            left.bind(str(socket))
        assert not answers()

    def test_one_that_says_nothing_hangs(self, socket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(engine, "_ANSWER_SECONDS", 0.2)
        with contextlib.closing(sockets.socket(sockets.AF_UNIX)) as silent:
            silent.bind(str(socket))
            silent.listen()
            with pytest.raises(EngineHangs, match=r"did not answer within 0\.2 seconds") as told:
                connect()
        assert told.value.way_out.startswith(("restart it: sudo", "restart Docker Desktop"))

    def test_an_address_that_is_none_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DOCKER_HOST", "frob://x")
        with pytest.raises(NoEngine, match="there is no Docker engine at frob://x: Invalid bind address protocol"):
            connect()

    def test_one_that_lets_nobody_in_says_the_command(self) -> None:
        # Root is let in everywhere, so this is put together as requests puts it together.
        error = RequestsError("Connection aborted.", PermissionError(13, "Permission denied"))
        told = engine._unreachable(error, DEFAULT_ADDRESS, DEBIAN)
        assert "does not let ada in" in told.message
        assert told.way_out.startswith("sudo usermod -aG docker ada, then log in again")


class TestAddress:
    def test_the_variable_comes_first(self, socket: Path) -> None:
        assert address() == os.environ["DOCKER_HOST"] == f"unix://{socket}"

    def test_then_the_current_context(self, socket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        name_engine(socket.parent, "desktop", "unix:///home/ada/docker.sock")
        monkeypatch.delenv("DOCKER_HOST")
        assert address() == "unix:///home/ada/docker.sock"
        with pytest.raises(NoEngine) as told:
            connect()
        assert "docker context use default" in told.value.way_out

    def test_then_the_usual_one(self, socket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("DOCKER_HOST")
        assert address() == DEFAULT_ADDRESS


@pytest.mark.usefixtures("socket")
class TestWayOut:
    @pytest.mark.parametrize(
        ("machine", "way_out"),
        [
            (replace(DEBIAN, root=True), "j2k sandbox engine"),
            (DEBIAN, "sudo apt-get install docker.io && sudo usermod -aG docker ada, then log in again"),
            (LINUX, "install one: https://docs.docker.com/engine/install/"),
            (MAC, "install Docker Desktop and start it: brew install --cask docker && open -a Docker"),
            (replace(DEBIAN, installed=True), "sudo systemctl start docker"),
            (replace(DEBIAN, installed=True, root=True, systemd=False), "j2k sandbox engine"),
            (replace(DEBIAN, installed=True, systemd=False), "sudo service docker start"),
            (replace(MAC, installed=True), "open -a Docker"),
        ],
    )
    def test_it_fits_the_machine(self, machine: Machine, way_out: str) -> None:
        assert way_to_engine(machine) == way_out

    def test_on_windows_it_names_docker_desktop_and_the_way_inside(self) -> None:
        told = way_to_engine(replace(DEBIAN, wsl=True, root=True))
        assert told == "Docker Desktop on Windows, with WSL integration switched on; or here: j2k sandbox engine"
