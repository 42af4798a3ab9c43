"""What ``j2k doctor`` checks for the sandbox: the Docker engine, and what building images needs.

The local engine needs none of it.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from j2k_dev.cli.finding import Finding, tried
from j2k_dev.engine.support import cache_folder
from j2k_dev.model.errors import J2kError
from j2k_dev.report.units import human_bytes
from j2k_dev.sandbox.building.programs import check_programs
from j2k_dev.sandbox.building.recipes import load_recipes
from j2k_dev.sandbox.commands import SystemRunner
from j2k_dev.sandbox.docker_engine import inotify
from j2k_dev.sandbox.docker_engine.engine import EngineFacts, connect, engine_facts
from j2k_dev.sandbox.docker_engine.machine import cgroup_version

_MEGABYTE = 1_000_000


def sandbox_findings() -> list[Finding]:
    """Look at what the sandbox stands on."""
    facts, docker = _docker()
    return [docker, _command(), *_clusters(facts), _inotify(), _building(), _room(facts)]


def _docker() -> tuple[EngineFacts | None, Finding]:
    try:
        with contextlib.closing(connect()) as client:
            facts = engine_facts(client)
    except J2kError as error:
        return None, Finding("Docker", "absent", error.message, error.way_out)
    kind = "Docker Desktop" if facts.desktop else "rootless" if facts.rootless else facts.storage_driver
    return facts, Finding("Docker", "ok", f"engine {facts.version} ({kind}), keeps its images in {facts.root}")


def _command() -> Finding:
    found = shutil.which("docker")
    way_out = "install Docker's command, which kind calls: on Debian apt-get install docker.io (docker-cli from 13 on)"
    return Finding("docker command", "ok" if found else "absent", found or "not installed", way_out)


def _clusters(facts: EngineFacts | None) -> list[Finding]:
    version = facts.cgroup_version if facts else cgroup_version()
    found = {name: shutil.which(name) for name in ("kind", "kubectl")}
    told = ", ".join(f"{name}: {path or 'made together with the images'}" for name, path in found.items())
    return [Finding("cgroups", "ok", f"version {version}"), Finding("cluster tools", "ok", told)]


def _inotify() -> Finding:
    low = inotify.low_limits()
    told = "; ".join(map(str, low)) or "the limits on watching files are high enough"
    return Finding("inotify", "absent" if low else "ok", told, inotify.way_out(low))


def _building() -> Finding:
    def check() -> str:
        recipes = load_recipes()
        check_programs(list(recipes.artefacts.values()), recipes, SystemRunner())
        return "what building the sandbox's images from packages needs is installed"

    return tried("building images", "absent", check)


def _room(facts: EngineFacts | None) -> Finding:
    folders = [_cache()]
    # Where the engine is in a virtual machine, its disk is not ours to look at.
    if facts and not facts.desktop and Path(facts.root).is_dir():
        folders.append(Path(facts.root))
    needed = sum(artefact.megabytes for artefact in load_recipes().artefacts.values()) * _MEGABYTE
    free = {folder: shutil.disk_usage(_existing(folder)).free for folder in folders}
    told = ", ".join(f"{human_bytes(size)} free for {folder}" for folder, size in free.items())
    way_out = (
        f"building images takes up to {human_bytes(needed)}: make room, or set J2K_CACHE to a folder on another disk"
    )
    return Finding("room for images", "ok" if min(free.values()) >= needed else "absent", told, way_out)


def _cache() -> Path:
    try:
        return cache_folder()
    except J2kError:  # the check of the cache says it
        return Path.cwd()


def _existing(folder: Path) -> Path:
    return next(parent for parent in (folder, *folder.parents) if parent.exists())
