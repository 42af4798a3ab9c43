"""Packages for an interpreter that is not here: the wheels that fit it, by pip, laid out as it would find them."""

from __future__ import annotations

import hashlib
import os
import shutil
from typing import TYPE_CHECKING

from installer import install
from installer.destinations import SchemeDictionaryDestination
from installer.sources import WheelFile

from j2k_dev.engine.workspace import write_text
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.packaging.files import Selection, is_pyc
from j2k_dev.packaging.locked import LOCK, run_pip
from j2k_dev.packaging.secrets import is_secret
from j2k_dev.packaging.store import architecture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from j2k_dev.packaging.base import BasePython
    from j2k_dev.packaging.python import Python

_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_OLDEST_GLIBC = 5
_OLDER_NAMES = ("manylinux2014", "manylinux2010", "manylinux1", "linux")


def fitting(python: BasePython) -> tuple[str, ...]:
    """Give pip's options for what an interpreter can load: wheels for its version, C library and machine."""
    machine = _MACHINES.get(architecture(), architecture())
    newest = int(python.glibc.split(".")[1])
    names = [*(f"manylinux_2_{minor}" for minor in range(newest, _OLDEST_GLIBC - 1, -1)), *_OLDER_NAMES]
    platforms = [option for name in names for option in ("--platform", f"{name}_{machine}")]
    version = ("--implementation", "cp", "--python-version", python.minor)
    return (*platforms, *version, "--only-binary", ":all:")


def lay_out(python: Python, base: BasePython, text: str, folder: Path, compiling: Callable[[Path], None]) -> Path:
    """Lay out what a lock file names in a folder named by it, unless that is done; return that folder.

    Below its ``root`` is the environment as the base has it, below ``compiled`` what Python made of the modules.
    """
    place = folder / hashlib.sha256(f"{base}\n{text}".encode()).hexdigest()[:16]
    done = place / "done"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)  # what was locked before is in no image any more
        write_text(place / LOCK, text)
        wheels = place / "wheels"
        options = ["download", "--quiet", "--no-deps", "--require-hashes", "--dest", str(wheels), *fitting(base)]
        run_pip(python, [*options, "--requirement", str(place / LOCK)])
        for wheel in sorted(wheels.glob("*.whl")):
            _unpack(wheel, base, place / "root")
        shutil.rmtree(wheels)
        compiling(place)
        write_text(done, "")
    return place


def select_laid_out(place: Path) -> Selection:
    """Choose all that was laid out, at the places where the base has it."""
    moved = {
        path[len(f"{place}/root") :]: path
        for path in _files_below(place / "root")
        if not is_pyc(path) and not is_secret(path)
    }
    moved |= {_beside(path[len(f"{place}/compiled") :]): path for path in _files_below(place / "compiled")}
    return Selection(frozenset(), {}, moved)


def _unpack(wheel: Path, base: BasePython, root: Path) -> None:
    schemes = {
        "purelib": base.site,
        "platlib": base.site,
        "scripts": f"{base.place}/bin",
        "data": base.place,
        "headers": f"{base.place}/include/python{base.minor}",
    }
    target = SchemeDictionaryDestination(
        schemes, f"{base.place}/bin/python", "posix", destdir=str(root), overwrite_existing=True
    )
    try:
        with WheelFile.open(wheel) as source:
            install(source, target, {"INSTALLER": b"j2k\n"})
    except (OSError, ValueError, AssertionError) as error:
        raise MachineryFailed(f"{wheel.name} can't be unpacked: {error}", "j2k build --package trace") from error


def _files_below(folder: Path) -> list[str]:
    return [f"{place}/{name}" for place, _folders, names in os.walk(folder) for name in names]


def _beside(path: str) -> str:
    """Say where Python looks for a compiled module: ``/a/b.cpython-311.pyc`` is in ``/a/__pycache__``."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/__pycache__/{name}"
