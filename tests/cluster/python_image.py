"""An image with this machine's Python and kafka-python, for pods of tests: no registry and no build is needed."""

from __future__ import annotations

import importlib.util
import io
import os
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient

PYTHON = str(Path(sys.executable).resolve())
_PACKAGES = "/packages"
_UNNEEDED = {"site-packages", "dist-packages", "__pycache__", "test", "tests", "idlelib", "tkinter", "ensurepip"}


def make_python_image(client: DockerClient, name: str) -> None:
    """Import the image into the engine, under a name that has no tag yet."""
    with tarfile.open(fileobj=(content := io.BytesIO()), mode="w") as archive:
        for path, target in _files():
            archive.add(path, target, recursive=False)
    changes = [f"ENV PYTHONPATH={_PACKAGES}", "ENV PYTHONDONTWRITEBYTECODE=1"]
    client.api.import_image_from_data(content.getvalue(), repository=name, changes=changes)


def _files() -> Iterator[tuple[str, str]]:
    library = sysconfig.get_path("stdlib")
    yield PYTHON, PYTHON
    extensions = [path for path, _ in _tree(library, library) if path.endswith(".so")]
    for path in sorted(_shared_libraries([PYTHON, *extensions])):
        yield str(Path(path).resolve()), path
    yield from _tree(library, library)
    kafka = importlib.util.find_spec("kafka")
    assert kafka is not None
    assert kafka.origin is not None
    yield from _tree(str(Path(kafka.origin).parent), f"{_PACKAGES}/kafka")


def _tree(folder: str, target: str) -> Iterator[tuple[str, str]]:
    for inside, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _UNNEEDED and not name.startswith("config-")]
        for name in names:
            path = f"{inside}/{name}"
            yield path, target + path.removeprefix(folder)


def _shared_libraries(programs: list[str]) -> set[str]:
    told = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    return {
        word for line in told.splitlines() for word in line.split() if word.startswith("/") and not word.endswith(":")
    }
