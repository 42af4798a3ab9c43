"""An interpreter made up of small folders, with what people have around it; an image, and a registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from j2k_dev.packaging.files import Places
from j2k_dev.packaging.layer import write_layer
from j2k_dev.packaging.oci import Image, Settings
from j2k_dev.packaging.python import Distribution, Python
from j2k_dev.packaging.tree import text_file
from tests.packaging.small_registry import SmallRegistry, small_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLANTED = "planted-4711"


@dataclass(frozen=True)
class Machine:
    """The folders of a made-up machine."""

    root: Path
    python: Python
    places: Places

    def write(self, path: str, text: str = "") -> str:
        """Write a file below the machine's root and return its path."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text or f"# {path}\n")
        return str(file)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Give a machine with one interpreter, two distributions of which one needs the other, and one that is not used."""
    root = tmp_path.resolve()
    site, library = f"{root}/env/lib/python3.11/site-packages", f"{root}/base/lib/python3.11"
    files = {
        "used": ("used/__init__.py", "used/lazy.py", "used/data.csv", "used-1.dist-info/RECORD"),
        "needed": ("needed.py", "needed-2.dist-info/METADATA"),
        "unused": ("unused/__init__.py", "unused-3.dist-info/entry_points.txt"),
        "ipykernel": ("ipykernel/__init__.py",),
        "j2k-dev": ("j2k_dev/__init__.py",),
    }
    needs = {"used": ("needed", "not-installed")}
    distributions = tuple(
        Distribution(name, "1", tuple(f"{site}/{file}" for file in names), needs.get(name, ()))
        for name, names in files.items()
    )
    python = Python(
        f"{root}/env/bin/python", "3.11.2", f"{root}/env", (f"{root}/env", f"{root}/base"), (library,), (site,),
        (library, site, f"{root}/project/src"), "cpython-311", distributions,
    )  # fmt: skip
    made = Machine(root, python, Places(f"{root}/desk", (f"{root}/desk/.j2k",)))
    for distribution in distributions:
        for file in distribution.files:
            made.write(file.removeprefix(f"{root}/"))
    for name in ("os.py", "test/big.py", "idlelib/run.py", "json/__init__.py", "json/tests/test_it.py"):
        made.write(f"base/lib/python3.11/{name}")
    (root / "base/bin").mkdir(parents=True)
    (root / "base/bin/python3.11").write_bytes(b"an interpreter")
    (root / "env/bin").mkdir(parents=True)
    (root / "env/bin/python").symlink_to(root / "base/bin/python3.11")
    return made


@pytest.fixture
def server() -> Iterator[SmallRegistry]:
    """Give a registry, empty."""
    with small_registry() as registry:
        yield registry


@pytest.fixture
def image(tmp_path: Path) -> Image:
    """Give an image of two layers."""
    layers = [write_layer([text_file(f"/{name}", b"x" * 70_000)], tmp_path / f"{name}.tar") for name in ("one", "two")]
    return Image(tuple(layers), Settings(("/one",), {}, {}, 65532))
