"""Having a Docker engine where none answers: Debian's packages, and a daemon of our own (``j2k sandbox engine``)."""

from __future__ import annotations

import contextlib
import fcntl
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from j2k_dev.engine.support import cache_folder
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.sandbox.commands import Command
from j2k_dev.sandbox.docker_engine import daemon as daemons
from j2k_dev.sandbox.docker_engine.daemon import Daemon
from j2k_dev.sandbox.docker_engine.engine import (
    DEFAULT_ADDRESS,
    EngineFacts,
    EngineHangs,
    NoEngine,
    address,
    connect,
    engine_facts,
    knock,
)
from j2k_dev.sandbox.docker_engine.inotify import raise_limits
from j2k_dev.sandbox.docker_engine.machine import find_program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from j2k_dev.sandbox.commands import Runner
    from j2k_dev.sandbox.docker_engine.machine import Machine
    from j2k_dev.sandbox.progress import Progress

# A program, and Debian's packages where it is not there: the engine, and what no image can be built without.
_PACKAGES = {"dockerd": ("docker.io",), "debootstrap": ("debootstrap", "debian-archive-keyring")}
_QUIET = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1"}
_APT = ("apt-get", "--quiet", "--yes", "-o", "DPkg::Lock::Timeout=300")


@dataclass(frozen=True)
class Provided:
    """The engine that answers now. ``ours``: the process number of our daemon, None where it is somebody else's."""

    address: str
    facts: EngineFacts
    ours: int | None
    log: str | None
    installed: tuple[str, ...] = ()


def our_daemon(data_root: Path | None = None) -> Daemon:
    """Name the daemon that this user's j2k starts, at the address that Docker's clients use here."""
    return Daemon(cache_folder() / "engine", address(), data_root)


def provide_engine(machine: Machine, runner: Runner, progress: Progress, data_root: Path | None = None) -> Provided:
    """Have an engine: the one that answers, left alone, or one that is installed and started here.

    Raise MachineryFailed where none answers and none can be started (not Debian, not root, an address elsewhere).
    """
    if machine.linux and machine.root:
        raise_limits(progress)
    daemon = our_daemon(data_root)
    try:
        return _answering(daemon)
    except NoEngine:
        if not _may_start(machine, daemon):
            raise
    except EngineHangs:
        # Ours may be starting: a command that was killed does not wait for it any more.
        if daemons.find(daemon) is None:
            raise
    with _alone(daemon, progress):
        # Somebody else's command may have done it while this one waited.
        with contextlib.suppress(NoEngine, EngineHangs):
            return _answering(daemon)
        _check_no_other(daemon)
        return _start(machine, daemon, runner, progress)


def stop_engine(progress: Progress) -> int | None:
    """Stop the daemon that we started, with its containers, and nothing else; None where there is none."""
    daemon = our_daemon()
    if daemons.find(daemon) is None:
        return None
    with _alone(daemon, progress), progress.step("stopping the Docker engine"):
        return daemons.stop(daemon)


def _answering(daemon: Daemon, installed: tuple[str, ...] = ()) -> Provided:
    with contextlib.closing(connect()) as client:
        facts = engine_facts(client)
    pid = daemons.find(daemon)
    return Provided(daemon.address, facts, pid, str(daemon.log) if pid else None, installed)


def _may_start(machine: Machine, daemon: Daemon) -> bool:
    """Say whether a daemon can be started here, at an address that is the usual one or was asked for."""
    able = machine.linux and machine.root and (machine.debian or machine.installed)
    meant = daemon.address == DEFAULT_ADDRESS or daemon.address == os.environ.get("DOCKER_HOST")
    return able and meant and daemons.can_serve(daemon.address)


def _start(machine: Machine, daemon: Daemon, runner: Runner, progress: Progress) -> Provided:
    installed = _install(machine, daemon, runner, progress)
    with progress.step("starting the Docker engine"):
        if machine.systemd and daemon.address == DEFAULT_ADDRESS:
            runner.run(Command(["systemctl", "start", "docker"]), "journalctl -u docker shows why")
        else:
            daemons.start(daemon)
    return _answering(daemon, installed)


def _install(machine: Machine, daemon: Daemon, runner: Runner, progress: Progress) -> tuple[str, ...]:
    """Install what is missing of Debian's packages; return their names."""
    lacking = [packages for program, packages in _PACKAGES.items() if find_program(program) is None]
    missing = tuple(package for packages in lacking for package in packages)
    if not missing or not machine.debian:
        return ()
    log = daemon.folder / "apt.log"
    way_out = f"see {log}; then run j2k sandbox engine again"
    install = Command([*_APT, "install", *missing], environment=_QUIET, log=log)
    with progress.step(f"installing {', '.join(missing)}"):
        runner.run(Command([*_APT, "update"], environment=_QUIET, log=log), way_out)
        try:
            runner.run(install, way_out)
        except MachineryFailed as error:
            # An earlier installation was killed in the middle; dpkg names the command itself.
            if "dpkg --configure -a" not in error.detail:
                raise
            runner.run(Command(["dpkg", "--configure", "-a"], environment=_QUIET, log=log), way_out)
            runner.run(install, way_out)
    if "docker.io" in missing and not machine.systemd:
        # The package's own script may have started one, without what this machine needs.
        runner.run(Command(["service", "docker", "stop"], log=log), way_out)
    return missing


def _check_no_other(daemon: Daemon) -> None:
    """Refuse a second engine beside one that answers: it would take the first one's network rules away."""
    if daemon.address == DEFAULT_ADDRESS:
        return
    try:
        knock(DEFAULT_ADDRESS)
    except OSError:
        return
    raise MachineryFailed(
        f"an engine answers at {DEFAULT_ADDRESS}, none at {daemon.address}, and two on one machine disturb each other",
        "unset DOCKER_HOST",
    )


@contextlib.contextmanager
def _alone(daemon: Daemon, progress: Progress) -> Iterator[None]:
    """Be the one command that starts or stops the engine; a second one waits and says so."""
    daemon.folder.mkdir(parents=True, exist_ok=True)
    with daemon.lock_file.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.note("waiting for another j2k that starts or stops the Docker engine")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
