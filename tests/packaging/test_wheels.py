"""Packages for an interpreter that is not here: its wheels, checked by hash, where it would find them."""

from __future__ import annotations

import base64
import hashlib
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.packaging.base import BasePython
from j2k_dev.packaging.locked import lock
from j2k_dev.packaging.python import Distribution, take_inventory
from j2k_dev.packaging.store import architecture
from j2k_dev.packaging.wheels import fitting, lay_out, select_laid_out

MINOR = ".".join(map(str, sys.version_info[:2]))
LIBRARY = f"/usr/lib/python{MINOR}"
BASE = BasePython("/usr/bin/python3", f"{MINOR}.9", "/usr", LIBRARY, "cpython-39", "2.36", "/home/ada/env")
SITE = f"/home/ada/env/lib/python{MINOR}/site-packages"
FILES = {
    "small/__init__.py": "x = 1\n",
    "small-1.data/scripts/tool": "#!python\nprint(1)\n",
    "small-1.data/data/share/small.txt": "data\n",
    "small-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: small\nVersion: 1\n",
    "small-1.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "small-1.dist-info/entry_points.txt": "[console_scripts]\nsmall = small:main\n",
}


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder with one wheel, which is all that pip knows of."""
    folder = tmp_path / "index"
    folder.mkdir()
    record = "".join(f"{name},{hashed(text)},{len(text)}\n" for name, text in FILES.items())
    with zipfile.ZipFile(folder / "small-1-py3-none-any.whl", "w") as wheel:
        for name, text in {**FILES, "small-1.dist-info/RECORD": f"{record}small-1.dist-info/RECORD,,\n"}.items():
            wheel.writestr(zipfile.ZipInfo(name), text)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def hashed(text: str) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def compiling(place: Path) -> None:
    """Stand in for the base's own compiler, which a test of the cluster runs."""
    made = place / "compiled" / LIBRARY[1:] / "os.cpython-39.pyc"
    made.parent.mkdir(parents=True)
    made.write_bytes(b"compiled")


def test_a_wheel_lies_where_the_base_finds_it_and_is_the_same_every_time(index: Path, tmp_path: Path) -> None:
    python = take_inventory(Path(sys.executable))
    text = lock(python, [Distribution("small", "1", ())], fitting(BASE))
    assert text.splitlines()[1].startswith("small==1 --hash=sha256:")
    first, second = (lay_out(python, BASE, text, tmp_path / name, compiling) for name in ("one", "two"))
    chosen, again = (select_laid_out(place).moved for place in (first, second))
    assert chosen.keys() == {
        f"{SITE}/small/__init__.py",
        *(f"{SITE}/small-1.dist-info/{name}" for name in ("INSTALLER", "METADATA", "RECORD", "WHEEL")),
        f"{SITE}/small-1.dist-info/entry_points.txt",
        "/home/ada/env/bin/small",
        "/home/ada/env/bin/tool",
        "/home/ada/env/share/small.txt",
        f"{LIBRARY}/__pycache__/os.cpython-39.pyc",
    }
    assert {place: Path(path).read_bytes() for place, path in chosen.items()} == {
        place: Path(path).read_bytes() for place, path in again.items()
    }
    for name in ("small", "tool"):
        assert Path(chosen[f"/home/ada/env/bin/{name}"]).read_text().startswith("#!/home/ada/env/bin/python\n")


def test_what_was_laid_out_is_not_laid_out_again(index: Path, tmp_path: Path) -> None:
    python = take_inventory(Path(sys.executable))
    text = lock(python, [Distribution("small", "1", ())], fitting(BASE))
    place = lay_out(python, BASE, text, tmp_path / "locked", compiling)
    (index / "small-1-py3-none-any.whl").unlink()
    assert lay_out(python, BASE, text, tmp_path / "locked", compiling) == place


def test_a_wheel_with_another_hash_is_not_taken(index: Path, tmp_path: Path) -> None:
    python = take_inventory(Path(sys.executable))
    text = f"small==1 --hash=sha256:{'0' * 64}\n"
    with pytest.raises(MachineryFailed, match="pip can't get the versions") as caught:
        lay_out(python, BASE, text, tmp_path / "locked", compiling)
    assert "DO NOT MATCH THE HASHES" in caught.value.detail


def test_what_has_no_wheel_for_the_base_is_named(index: Path) -> None:
    with pytest.raises(MachineryFailed) as caught:
        lock(take_inventory(Path(sys.executable)), [Distribution("small", "2", ())], fitting(BASE))
    assert "small==2" in caught.value.detail


def test_wheels_fit_the_c_library_of_the_base() -> None:
    machine = {"amd64": "x86_64", "arm64": "aarch64"}[architecture()]
    new, old = (fitting(replace(BASE, glibc=version)) for version in ("2.36", "2.28"))
    assert f"manylinux_2_36_{machine}" in new
    assert f"manylinux_2_36_{machine}" not in old
    assert {f"manylinux_2_28_{machine}", f"manylinux2014_{machine}", MINOR} <= set(old)
