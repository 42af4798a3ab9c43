"""``j2k build``: recorded under ReproZip, made into images, pushed; only what changed is made and pushed again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest

from j2k_dev.engine.reprozip import candidates, why_not
from tests.packaging.small_registry import SmallRegistry, small_registry

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

CELLS = ("# One", "import json\nvalue = json.loads('21')", "# Two", "value * 2")
SECRET = "planted-in-home"


@dataclass(frozen=True)
class Desk:
    """A notebook that is built again and again, and the registry that it is pushed to."""

    folder: Path
    registry: SmallRegistry

    @property
    def notebook(self) -> Path:
        return self.folder / "work" / "small.ipynb"

    def write(self, *cells: str) -> None:
        kinds = [nbformat.v4.new_markdown_cell if text.startswith("#") else nbformat.v4.new_code_cell for text in cells]
        made = [kind(text, id=f"cell-{at}") for at, (kind, text) in enumerate(zip(kinds, cells, strict=True))]
        nbformat.write(nbformat.v4.new_notebook(cells=made), self.notebook)

    def build(self, *options: str, code: int = 0, editor: str = "true") -> tuple[dict[str, Any], str]:
        command = [sys.executable, "-m", "j2k_dev", "build", str(self.notebook), "--json"]
        done = subprocess.run(
            [*command, "--registry", self.registry.address, *options],
            env={**os.environ, "HOME": str(self.folder / "home"), "EDITOR": editor, "VISUAL": ""},
            capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout), done.stderr


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    reasons = [why_not(python) for python in candidates()]
    if None not in reasons:
        pytest.skip(f"ReproZip can't trace here: {reasons}")
    folder = tmp_path_factory.mktemp("desk")
    for name in ("home", "work"):
        (folder / name).mkdir()
    (folder / "home" / ".netrc").write_text(f"machine x login me password {SECRET}\n")
    with small_registry() as registry:
        desk = Desk(folder, registry)
        desk.write(*CELLS)
        yield desk


@pytest.fixture(scope="module")
def built(desk: Desk) -> dict[str, Any]:
    return desk.build()[0]


def test_environment_and_stages_are_pushed_and_named_by_digest(desk: Desk, built: dict[str, Any]) -> None:
    images = [built["environment"], *built["stages"]]
    assert [image["name"] for image in images] == ["environment", "one", "two"]
    for image in images:
        assert image["reference"] == f"{desk.registry.address}/j2k/small@{image['digest']}"
        assert image["digest"] in desk.registry.manifests
    assert all(stage["bytes"] < 100_000 for stage in built["stages"])


def test_each_image_has_a_dockerfile_with_its_context_beside_it(desk: Desk, built: dict[str, Any]) -> None:
    for image in (built["environment"], *built["stages"]):
        folder = Path(image["folder"])
        assert folder.parent == desk.notebook.parent / ".j2k" / "images"
        added = [line.split()[1] for line in (folder / "Dockerfile").read_text().splitlines() if line.startswith("ADD")]
        assert added
        assert all((folder / name).is_file() for name in added)


def test_nothing_changed_means_nothing_recorded_made_or_sent(desk: Desk, built: dict[str, Any]) -> None:
    desk.registry.sent.clear()
    again, said = desk.build()
    assert {**again, "seconds": {}} == {**built, "seconds": {}}
    assert set(again["seconds"]) == {"making", "putting"}
    assert desk.registry.sent == []
    assert "recording" not in said


def test_an_edited_cell_changes_the_image_of_its_stage_alone(desk: Desk, built: dict[str, Any]) -> None:
    desk.registry.sent.clear()
    desk.write(*CELLS[:3], "value * 3")
    edited, _ = desk.build()
    assert edited["environment"] == built["environment"]
    assert [new == old for new, old in zip(edited["stages"], built["stages"], strict=True)] == [True, False]
    assert len(desk.registry.sent) == 2  # its layer and its configuration


def test_the_list_can_be_reviewed_and_what_was_changed_stays(desk: Desk, built: dict[str, Any]) -> None:
    extra = desk.folder / "extra.bin"
    extra.write_text("data")
    script = desk.folder / "edit.sh"
    script.write_text(f'#!/bin/sh\nsed -i \'/.this[.]py$/d\' "$1"\necho {extra} >> "$1"\n')
    script.chmod(0o755)
    reviewed, said = desk.build("--review", editor=str(script))
    assert "the list of files was reviewed" in said
    again, said = desk.build()
    assert "1 added" in said
    assert reviewed["environment"] == again["environment"] != built["environment"]
    with tarfile.open(f"{again['environment']['folder']}/environment.tar") as tar:
        names = tar.getnames()
    assert str(extra)[1:] in names
    assert not any(name.endswith("/this.py") for name in names)


def test_an_editor_that_fails_builds_nothing(desk: Desk, built: dict[str, Any]) -> None:
    told, _ = desk.build("--review", editor="false", code=2)
    assert "nothing was built" in told["error"]["message"]


def test_reprozips_own_pack_has_the_notebooks_files_and_no_secret(desk: Desk, built: dict[str, Any]) -> None:
    told, _ = desk.build("--export", "rpz")
    with tarfile.open(told["export"]) as pack:
        names = pack.getnames()
        assert "METADATA/config.yml" in names
        data = pack.extractfile("DATA.tar.gz")
        assert data is not None
        with tarfile.open(fileobj=data) as files:
            regular = [member for member in files if member.isreg()]
            inside = {member.name: file.read() for member in regular if (file := files.extractfile(member))}
    assert any(name.endswith("/json/__init__.py") for name in inside)
    assert not any(SECRET.encode() in content for content in inside.values())


def test_a_pack_without_a_trace_is_bad_input(desk: Desk) -> None:
    told, _ = desk.build("--package", "pip", "--export", "rpz", code=2)
    assert "needs a trace" in told["error"]["message"]
