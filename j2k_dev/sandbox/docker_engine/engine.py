"""The Docker engine that the docker command would use: connecting to it, and in plain words why that failed."""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import docker
from docker.context import ContextAPI
from docker.errors import DockerException, InvalidVersion
from docker.utils.utils import parse_host
from requests.exceptions import Timeout

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.sandbox.docker_engine.machine import Machine, this_machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient

DEFAULT_ADDRESS = "unix:///var/run/docker.sock"
# Docker 20.10: the first that tells its version of cgroups and takes the API that we speak.
OLDEST_API = (1, 41)
OLDEST_VERSION = "20.10"

_UNIX = "unix://"
_ANSWER_SECONDS = 10
_WORK_SECONDS = 300


class NoEngine(MachineryFailed):
    """No engine is there: none is installed, or it does not run."""


class EngineHangs(MachineryFailed):
    """An engine is there and says nothing: it is starting, or in trouble."""


@dataclass(frozen=True)
class EngineFacts:
    """What an engine says of itself; ``root`` is where it keeps images and containers, ``memory`` is in bytes."""

    version: str
    api: str
    cgroup_version: int
    cgroup_driver: str
    storage_driver: str
    root: str
    security: tuple[str, ...]
    rootless: bool
    desktop: bool
    architecture: str
    cpus: int
    memory: int


def connect() -> DockerClient:
    """Connect to the engine that DOCKER_HOST or the current Docker context names, as the docker command does.

    Raise, with the way out for this machine, NoEngine where there is none, EngineHangs where it does not answer in
    time, and MachineryFailed where it is too old or does not let us in.
    """
    where = address()
    try:
        knock(where)
        client = docker.from_env(timeout=_ANSWER_SECONDS)
    except InvalidVersion as error:
        raise _too_old("") from error
    except Exception as error:  # Docker's contexts raise plain ones where their files are damaged
        raise _unreachable(error, where, this_machine()) from error
    if _version(client.api.api_version) < OLDEST_API:
        client.close()
        raise _too_old(client.api.api_version)
    client.api.timeout = _WORK_SECONDS
    return client


def knock(where: str) -> None:
    """Connect to the socket and hang up; Docker's library leaves its own one open where that fails."""
    if where.startswith(_UNIX):
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as door:
            door.settimeout(_ANSWER_SECONDS)
            door.connect(where.removeprefix(_UNIX))


def answers() -> bool:
    """Say whether an engine answers; raise MachineryFailed where one does, and can't be used."""
    try:
        connect().close()
    except (NoEngine, EngineHangs):
        return False
    return True


def address() -> str:
    """Name the address that ``connect`` uses, whether or not anything answers there."""
    if chosen := os.environ.get("DOCKER_HOST"):
        return chosen
    try:
        host = str(ContextAPI.kwargs_from_context().get("base_url") or DEFAULT_ADDRESS)
    except Exception:  # noqa: BLE001 - a damaged context raises anything; connect() says what is wrong with it
        return DEFAULT_ADDRESS
    return host.removeprefix("http+")


def engine_facts(client: DockerClient) -> EngineFacts:
    """Ask an engine what it is."""
    try:
        told: dict[str, Any] = client.info()
    except (DockerException, OSError) as error:
        raise _unreachable(error, address(), this_machine()) from error
    security = tuple(told.get("SecurityOptions") or ())
    return EngineFacts(
        version=told["ServerVersion"],
        api=client.api.api_version,
        cgroup_version=int(told.get("CgroupVersion") or 1),
        cgroup_driver=told.get("CgroupDriver", ""),
        storage_driver=told["Driver"],
        root=told["DockerRootDir"],
        security=security,
        rootless=any("name=rootless" in option for option in security),
        desktop="Docker Desktop" in told.get("OperatingSystem", ""),
        architecture=told["Architecture"],
        cpus=told["NCPU"],
        memory=told["MemTotal"],
    )


# --- what went wrong --------------------------------------------------------------------------------------------------


def _unreachable(error: BaseException, where: str, machine: Machine) -> MachineryFailed:
    causes = list(_causes(error))
    detail = f"$ docker version\n{error}"
    if any(isinstance(cause, PermissionError) for cause in causes):
        return MachineryFailed(f"the Docker engine at {where} does not let {machine.user} in", _way_in(machine), detail)
    if any(isinstance(cause, (Timeout, TimeoutError)) for cause in causes):
        told = f"the Docker engine at {where} did not answer within {_ANSWER_SECONDS} seconds"
        return EngineHangs(told, _restart(machine), detail)
    if not _is_address(where):
        told = f"there is no Docker engine at {where}: {error}"
    elif machine.installed or where != DEFAULT_ADDRESS:
        told = f"no Docker engine answers at {where}"
    else:
        told = "no Docker engine is installed"
    return NoEngine(told, way_to_engine(machine, where), detail)


def way_to_engine(machine: Machine, where: str = DEFAULT_ADDRESS) -> str:
    """Say how an engine is had on a machine where none answers."""
    if where != DEFAULT_ADDRESS:
        named = "DOCKER_HOST" if os.environ.get("DOCKER_HOST") else "Docker's current context"
        back = "unset DOCKER_HOST" if named == "DOCKER_HOST" else "docker context use default"
        return f"{named} names this address: start the engine there, or take the default one: {back}"
    return _start(machine) if machine.installed else _install(machine)


def _install(machine: Machine) -> str:
    if not machine.linux:
        return "install Docker Desktop and start it: brew install --cask docker && open -a Docker"
    if machine.debian and machine.root:
        here = "j2k sandbox engine"
    elif machine.debian:
        here = f"sudo apt-get install docker.io && sudo usermod -aG docker {machine.user}, then log in again"
    else:
        here = "install one: https://docs.docker.com/engine/install/"
    return f"Docker Desktop on Windows, with WSL integration switched on; or here: {here}" if machine.wsl else here


def _start(machine: Machine) -> str:
    if not machine.linux:
        return "open -a Docker"
    if machine.systemd:
        return "sudo systemctl start docker"
    return "j2k sandbox engine" if machine.root else "sudo service docker start"


def _restart(machine: Machine) -> str:
    if not machine.linux:
        return "restart Docker Desktop"
    theirs = f"sudo {'systemctl restart docker' if machine.systemd else 'service docker restart'}"
    return f"restart it: {theirs}, or, if j2k started it: j2k sandbox engine --stop && j2k sandbox engine"


def _way_in(machine: Machine) -> str:
    if machine.linux:
        return f"sudo usermod -aG docker {machine.user}, then log in again (or, in this shell: newgrp docker)"
    return "start Docker Desktop as this user: open -a Docker"


def _too_old(api: str) -> MachineryFailed:
    told = f"the Docker engine at {address()} is too old: API {api or 'unknown'}, and {'.'.join(map(str, OLDEST_API))}"
    return MachineryFailed(f"{told} is needed", f"update it to Docker {OLDEST_VERSION} or later")


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def _is_address(where: str) -> bool:
    try:
        parse_host(where)
    except DockerException:
        return False
    return True


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Give an error and all that it was made from; requests and urllib3 hide the first one in arguments and reasons."""
    waiting, seen = [error], set()
    while waiting:
        current = waiting.pop()
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += [current.__cause__, current.__context__, getattr(current, "reason", None), *current.args]
