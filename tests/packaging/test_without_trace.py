"""``j2k build --package pip``: on Debian's Python, and on the same image from a registry; what differs is shown."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest

from j2k_dev.model.errors import Refused
from j2k_dev.packaging.base import ask
from j2k_dev.packaging.python import take_inventory
from j2k_dev.packaging.registry import Registry
from j2k_dev.packaging.store import Store
from j2k_dev.sandbox.building.recipes import load_recipes
from j2k_dev.sandbox.docker_engine.engine import connect
from tests.packaging.small_registry import SmallRegistry, small_registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from j2k_dev.packaging.oci import Image

pytestmark = [pytest.mark.cluster, pytest.mark.pipeline]

MINOR = ".".join(map(str, sys.version_info[:2]))
SAME = ("import sys", "print(sys.version_info[:2], sys.executable)")
OTHER = ("import sys", "sys.version_info[0]", "open('/etc/hostname').read()")


@pytest.fixture(scope="module")
def registry() -> Iterator[SmallRegistry]:
    if MINOR not in load_recipes().tables["bases"]:
        pytest.skip(f"no release of Debian that j2k knows has Python {MINOR}")
    with small_registry() as registry:
        yield registry


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def debian(folder: Path, registry: SmallRegistry) -> dict[str, Any]:
    """Build on Debian's Python, as no sandbox and no public registry is the source of images here."""
    write(folder, *SAME)
    return build(folder, registry)


def write(folder: Path, *cells: str) -> None:
    made = [nbformat.v4.new_code_cell(text, id=f"cell-{at}") for at, text in enumerate(cells)]
    nbformat.write(nbformat.v4.new_notebook(cells=made), folder / "small.ipynb")


def build(folder: Path, registry: SmallRegistry, *options: str, code: int = 0) -> dict[str, Any]:
    command = [sys.executable, "-m", "j2k_dev", "build", str(folder / "small.ipynb"), "--json", "--package", "pip"]
    done = subprocess.run(
        [*command, "--registry", registry.address, *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def base_of(folder: Path) -> Image:
    store = Store(folder / ".j2k" / "images")
    base = store.load(json.loads((store.root / "base.json").read_text())["key"])
    assert base is not None
    return base


def layers(registry: SmallRegistry, image: dict[str, Any]) -> list[str]:
    return [layer["digest"] for layer in json.loads(registry.manifests[image["digest"]])["layers"]]


def test_the_image_gives_what_this_machine_gives(debian: dict[str, Any], folder: Path) -> None:
    assert debian["differences"] == []
    lock = (folder / ".j2k" / "images" / "requirements.lock").read_text()
    assert "\nipykernel==" in lock
    assert all(" --hash=sha256:" in line for line in lock.splitlines()[1:])


def test_a_base_from_a_registry_is_used_as_it_is(debian: dict[str, Any], folder: Path, registry: SmallRegistry) -> None:
    base = base_of(folder)
    Registry(registry.address).push(base, "python", MINOR)
    other = build(folder, registry, "--base", f"{registry.address}/python:{MINOR}")
    first, second = (layers(registry, built["environment"]) for built in (debian, other))
    assert first == second  # the base's, the packages', the support's: independent of where the base came from
    assert first[: len(base.layers)] == [layer.digest for layer in base.layers]
    written = (Path(other["environment"]["folder"]) / "Dockerfile").read_text()
    assert f"\nFROM {registry.address}/python@{base.digest}\n" in written


def test_where_results_are_others_in_the_image_both_are_shown(folder: Path, registry: SmallRegistry) -> None:
    write(folder, *OTHER)
    told = build(folder, registry, code=3)
    (difference,) = told["differences"]
    assert difference["cell"] == 2
    assert difference["expected"] != difference["actual"]


def test_a_base_that_is_not_there_is_named(folder: Path, registry: SmallRegistry) -> None:
    told = build(folder, registry, "--base", f"{registry.address}/python:1", code=5)
    assert "404" in told["error"]["message"]


def test_a_base_with_another_python_is_refused(debian: dict[str, Any], folder: Path) -> None:
    older = replace(take_inventory(Path(sys.executable)), version="3.1.4")
    with (
        closing(connect()) as client,
        pytest.raises(Refused, match=rf"has Python {MINOR}\.\d+, the notebook's is 3\.1\.4"),
    ):
        ask(client, base_of(folder), "debian", older)
