"""The programs that builds call: found, or named with the command that installs them; and root, and room."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.sandbox.commands import Command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from j2k_dev.sandbox.building.recipes import Artefact, Recipes
    from j2k_dev.sandbox.commands import Runner

_MEGABYTE = 1_000_000


def program(name: str) -> str | None:
    """Find a program in PATH, or beside the Python that runs j2k, where pip installs programs."""
    beside = Path(sys.executable).parent / name
    return name if shutil.which(name) else shutil.which(beside)


def check_programs(artefacts: Sequence[Artefact], recipes: Recipes, runner: Runner) -> None:
    """Refuse when a program that the builds call is missing or too old, or root: all at once, with what mends it."""
    needed = dict.fromkeys(name for artefact in artefacts for name in artefact.programs_needed)
    lacking = [name for name in needed if not program(name)]
    old = [name for name in needed if name not in lacking and _too_old(name, recipes, runner)]
    if lacking or old:
        told = [*(f"{name} is not installed" for name in lacking), *(f"{name} is too old" for name in old)]
        what = f"the sandbox's images can't be built here: {', '.join(told)}"
        ways = " && ".join(_installations([*lacking, *old], recipes))
        raise MachineryFailed(what, f"{ways}   (or take the public images: --images registry)")
    if any(artefact.needs_root for artefact in artefacts) and (sys.platform != "linux" or os.geteuid()):
        what = "building the sandbox's images makes Debian root filesystems, which takes root on Linux"
        raise MachineryFailed(what, "run the command as root, or with --images registry")


def check_room(artefacts: Sequence[Artefact], folder: Path) -> None:
    """Refuse when the disk has no room for what is to be built."""
    needed = sum(artefact.megabytes for artefact in artefacts)
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(existing).free / _MEGABYTE
    if free < needed:
        what = f"building needs {needed / 1000:.1f} GB in {folder} and Go's caches, and {free / 1000:.1f} GB are free"
        raise MachineryFailed(what, "free some room, or set J2K_CACHE to a folder on a larger disk")


def _too_old(name: str, recipes: Recipes, runner: Runner) -> bool:
    minimum = _told(name, recipes).get("minimum")
    if not minimum:
        return False
    said = runner.run(Command([program(name) or name, "version"]))
    found = re.search(r"(\d+)\.(\d+)", said)
    return found is None or tuple(map(int, found.groups())) < tuple(map(int, minimum.split(".")))


def _installations(names: Sequence[str], recipes: Recipes) -> Iterator[str]:
    """Give the commands: one for all Debian packages, then those of programs that Debian has too old."""
    packages = [_told(name, recipes)["debian"] for name in names if "debian" in _told(name, recipes)]
    if packages:
        yield f"apt-get install -y {' '.join(dict.fromkeys(packages))}"
    for name in names:
        if "pypi" in _told(name, recipes):
            yield f"{Path(sys.executable)} -m pip install {_told(name, recipes)['pypi']}"


def _told(name: str, recipes: Recipes) -> Mapping[str, str]:
    told: Mapping[str, str] = recipes.tables["programs"][name]
    return told
