"""``docker build`` on the folders that are kept makes the same images without j2k."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from j2k_dev.model.pipeline import Pipeline, Stage
from j2k_dev.packaging import engine
from j2k_dev.packaging.environment import Environment
from j2k_dev.packaging.files import select_interpreter
from j2k_dev.packaging.oci import Settings
from j2k_dev.packaging.python import take_inventory
from j2k_dev.packaging.stage import make_stage
from j2k_dev.packaging.store import Store, Wanted
from j2k_dev.packaging.tree import Entry, collect, folder, text_file
from j2k_dev.sandbox.docker_engine.engine import connect
from j2k_dev.worker.spec import CellSource, StageSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient
    from docker.models.containers import Container

    from j2k_dev.packaging.oci import Image

pytestmark = pytest.mark.cluster

ENVIRONMENT, OURS = "j2k.local/j2k/dockerfiles:environment-1", "j2k.local/j2k/dockerfiles:ours"
BUILT = "j2k.local/j2k/dockerfiles:built"
ENGINES_OWN = {".dockerenv", "dev/console", "etc/hosts", "etc/hostname", "etc/resolv.conf"}
ODD = {"ODD": 'a "quoted" $HOME \\t é', "EMPTY": ""}


@dataclass(frozen=True)
class Kept:
    """A stage and the environment that it stands on, as a workspace keeps them."""

    store: Store
    environment: Image
    stage: Image
    folder: Path


@pytest.fixture(scope="module")
def client() -> Iterator[DockerClient]:
    client = connect()
    yield client
    for reference in (BUILT, OURS, ENVIRONMENT):
        if client.images.list(reference):
            client.images.remove(reference, force=True)
    client.close()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Give an image with this machine's Python and one for a stage on it."""
    store = Store(tmp_path_factory.mktemp("images"))
    python = take_inventory(Path(sys.executable))
    chosen = list(collect(select_interpreter(python).files).entries.values())
    odd = [
        folder("/scratch", 0o1777),
        text_file("/opt/a name with spaces, é.txt", b"x", 0o755),
        Entry("/opt/link", "link", 0o777, link="a name with spaces, é.txt"),
    ]
    settings = Settings((python.executable,), {"PATH": "/bin", **ODD}, {"j2k.dev/odd": ODD["ODD"]}, 65532, "/scratch")
    layers = [Wanted("environment.tar", "1", lambda: chosen), Wanted("support.tar", "2", lambda: odd)]
    environment = store.make("environment-1", layers, settings)
    pipeline = Pipeline("analysis", "one", "auto", (Stage("load", (0,), (), (), 1.0, 100),), (), ())
    spec = StageSpec(pipeline.stages[0], (CellSource(0, "a = 1"),), "/exchange", "/home/ada/work", last=True)
    command = ("-c", "import ssl, sqlite3, sys; print(sys.version)")
    stage = make_stage(store, Environment("environment-1", environment, {}), spec, pipeline, ENVIRONMENT, command)
    return Kept(store, environment, stage.image, store.folder(stage.key))


@pytest.fixture(scope="module")
def built(kept: Kept, client: DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Build both as the Dockerfiles say, in a copy, and give what the engine says of the stage's image."""
    copy = shutil.copytree(kept.store.root, tmp_path_factory.mktemp("elsewhere") / "images")
    stage = copy / kept.folder.name
    said = next(line for line in (stage / "Dockerfile").read_text().splitlines() if "is made first: " in line)
    for command in (said.partition("is made first: ")[2].split(), ["docker", "build", "-t", BUILT, "."]):
        done = subprocess.run(command, cwd=stage, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return client.images.get(BUILT)


def test_the_container_starts_in_the_same_way(built: Any, kept: Kept) -> None:
    ours = json.loads(kept.stage.config)["config"]
    assert {name: built.attrs["Config"][name] or None for name in ours if name != "Env"} == {
        name: value or None for name, value in ours.items() if name != "Env"
    }
    assert sorted(built.attrs["Config"]["Env"]) == ours["Env"]


def test_the_file_system_is_the_same(built: Any, kept: Kept, client: DockerClient) -> None:
    engine.load(client, kept.stage, OURS)
    ours, theirs = (contents(client, reference) for reference in (OURS, BUILT))
    assert len(ours) > 500
    assert theirs == ours


def test_the_interpreter_runs_in_it(built: Any, client: DockerClient) -> None:
    said = client.containers.run(BUILT, read_only=True, network_mode="none", cap_drop=["ALL"], remove=True)
    assert said.decode().startswith("3.")


def contents(client: DockerClient, reference: str) -> dict[str, tuple[object, ...]]:
    """Give what an image's file system holds, each file with its hash."""
    with created(client, reference) as container:
        data = b"".join(container.export())  # type: ignore[arg-type]  # types-docker takes it for text
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name.rstrip("/"): described(tar, member) for member in tar if member.name not in ENGINES_OWN}


def described(tar: tarfile.TarFile, member: tarfile.TarInfo) -> tuple[object, ...]:
    file = tar.extractfile(member) if member.isreg() else None
    found = hashlib.sha256(file.read()).hexdigest() if file else ""
    time = member.mtime if member.isreg() else 0  # the engine makes folders and mount points at its own time
    return member.type, member.mode, member.uid, member.gid, member.linkname, time, found


@contextmanager
def created(client: DockerClient, reference: str) -> Iterator[Container]:
    container = client.containers.create(reference)
    try:
        yield container
    finally:
        container.remove(force=True, v=True)
