"""The images for real: built from packages where they are missing, then found without building anything."""

import contextlib
from collections.abc import Iterator

import pytest

from j2k_dev.sandbox.building.container_image import RECIPE_LABEL
from j2k_dev.sandbox.building.recipes import load_recipes
from j2k_dev.sandbox.commands import Command, SystemRunner
from j2k_dev.sandbox.docker_engine.engine import connect
from j2k_dev.sandbox.images import provide_images

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(2400)]

# What kubeadm wants, and what is written in the database of the node's containerd.
ASK = r"""
kubeadm config images list --kubernetes-version v1.34.4
grep -a -o 'registry.k8s.io/[a-z0-9/.-]*:v\?[0-9.-]*' /var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db
"""


class Quiet:
    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        yield

    def note(self, text: str) -> None: ...


class NothingRuns:
    def run(self, command: Command, way_out: str = "") -> str:
        raise AssertionError(str(command))


def test_images_are_built_from_packages_once_and_work() -> None:
    client, recipes = connect(), load_recipes()
    images = provide_images("packages", client, SystemRunner(), Quiet())
    assert provide_images("auto", client, NothingRuns(), Quiet()) == images
    node = client.images.get(images.node.reference)
    assert node.labels[RECIPE_LABEL] == recipes.keys["node"]
    assert "kind v0.30.0" in SystemRunner().run(Command([images.kind, "version"]))
    assert "v1.34.4" in SystemRunner().run(Command([images.kubectl, "version", "--client"]))


def test_the_node_image_has_the_images_that_kubeadm_asks_for() -> None:
    client = connect()
    images = provide_images("packages", client, SystemRunner(), Quiet())
    told = client.containers.run(images.node.reference, ["-ec", ASK], entrypoint="bash", remove=True).decode()
    lines = told.split()
    asked, held = set(lines[:7]), set(lines[7:])
    assert len(asked) == 7
    assert asked <= held


def test_the_broker_s_image_has_java_and_kafka() -> None:
    client = connect()
    images = provide_images("packages", client, SystemRunner(), Quiet())
    script = "java -cp '/opt/kafka/libs/*' kafka.Kafka --version"
    told = client.containers.run(images.kafka.reference, ["sh", "-ec", script], remove=True).decode()
    assert "4.1.1" in told
