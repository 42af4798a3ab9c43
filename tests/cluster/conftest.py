"""The real sandbox: one with three nodes for everything that runs in a cluster, and a broker of its own."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING

import pytest

from j2k_dev.engine.workspace import open_workspace
from j2k_dev.sandbox.commands import SystemRunner
from j2k_dev.sandbox.docker_engine.engine import connect
from j2k_dev.sandbox.images import provide_images
from j2k_dev.sandbox.model import Sandbox

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # kafka-python reads its schemas in a way that Python 3.11 warns of
    from j2k_dev.sandbox.kafka import KafkaSandbox
    from tests.cluster.handle import Handle, Said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from docker import DockerClient
    from pytest_kubernetes.providers import AClusterManager

    from j2k_dev.sandbox.model import Images, SandboxState


@pytest.fixture(scope="session")
def engine() -> Iterator[DockerClient]:
    client = connect()
    yield client
    client.close()


@pytest.fixture(scope="session")
def images(engine: DockerClient) -> Images:
    return provide_images("packages", engine, SystemRunner(), Said())


@pytest.fixture(scope="session")
def make_handle(engine: DockerClient, images: Images) -> Iterator[Callable[[Path], Handle]]:
    """Give sandboxes in workspaces; whatever becomes of them, they are taken down at the end."""
    given: list[Handle] = []

    def make(workspace: Path) -> Handle:
        given.append(Handle(Sandbox(workspace), images, engine))
        return given[-1]

    yield make
    for handle in given:
        handle.down()


@pytest.fixture(scope="session")
def wide(make_handle: Callable[[Path], Handle], tmp_path_factory: pytest.TempPathFactory) -> Handle:
    """A sandbox with three nodes."""
    workspace = tmp_path_factory.mktemp("wide")
    open_workspace(workspace, workspace)  # as commands do before they bring one up
    handle = make_handle(workspace)
    handle.up(nodes=3)
    return handle


@pytest.fixture(scope="session")
def single(make_handle: Callable[[Path], Handle], tmp_path_factory: pytest.TempPathFactory) -> Handle:
    """A sandbox with one node: for many notebooks, whose images are large, and lie on every node."""
    workspace = tmp_path_factory.mktemp("single")
    open_workspace(workspace, workspace)
    handle = make_handle(workspace)
    handle.up()
    return handle


@pytest.fixture
def state(wide: Handle) -> SandboxState:
    """What the sandbox with three nodes tells of itself, all of it well."""
    return wide.up()


@pytest.fixture
def k8s(
    wide: Handle, k8s_manager: Callable[[str], type[AClusterManager]], monkeypatch: pytest.MonkeyPatch
) -> AClusterManager:
    """pytest-kubernetes' manager for it."""
    monkeypatch.setenv("PATH", f"{wide.images.kubectl.parent}{os.pathsep}{os.environ['PATH']}")
    return k8s_manager("external")("j2k", None, wide.sandbox.kubeconfig)


@pytest.fixture(scope="session")
def kafka(images: Images) -> Iterator[KafkaSandbox]:
    """A broker of its own, without a cluster."""
    with KafkaSandbox(images.kafka.reference) as broker:
        yield broker
