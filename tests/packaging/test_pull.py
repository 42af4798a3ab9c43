"""Images are pulled layer by layer, as they are, and nothing damaged is kept."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from j2k_dev.model.errors import MachineryFailed, Refused
from j2k_dev.packaging.layer import Layer, write_layer
from j2k_dev.packaging.oci import LAYER, Image, Settings, digest_of
from j2k_dev.packaging.pull import parse_reference, pull, resolve
from j2k_dev.packaging.registry import Registry
from j2k_dev.packaging.store import Store, architecture
from j2k_dev.packaging.tree import text_file
from tests.packaging.small_registry import SmallRegistry, small_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SETTINGS = Settings(("python3",), {"PATH": "/usr/local/bin", "PYTHON_VERSION": "3.11.9"}, {"made": "elsewhere"}, 0, "/")


@pytest.fixture
def registry() -> Iterator[SmallRegistry]:
    with small_registry() as registry:
        yield registry


@pytest.fixture
def image(tmp_path: Path) -> Image:
    """Give an image whose one layer is compressed, as those of others are."""
    plain = write_layer([text_file("/usr/bin/python3", b"an interpreter")], tmp_path / "plain.tar")
    packed = gzip.compress(plain.file.read_bytes(), mtime=0)
    (tmp_path / "packed").write_bytes(packed)
    sha256 = hashlib.sha256(packed).hexdigest()
    return Image((Layer(tmp_path / "packed", sha256, len(packed), plain.digest, "gzip"),), SETTINGS, architecture())


def push(registry: SmallRegistry, image: Image) -> str:
    Registry(registry.address).push(image, "python", "3.11")
    return f"{registry.address}/python:3.11"


def test_what_was_pushed_is_pulled_as_it_is(registry: SmallRegistry, image: Image, tmp_path: Path) -> None:
    reference = parse_reference(push(registry, image))
    found, manifest = resolve(reference)
    assert found == image.digest
    pulled = pull(reference, found, manifest, tmp_path / "base")
    assert pulled.reference == f"{registry.address}/python@{image.digest}"
    assert pulled.settings == SETTINGS
    (layer,) = pulled.layers
    assert layer.file.read_bytes() == image.layers[0].file.read_bytes()
    assert replace(layer, file=image.layers[0].file) == image.layers[0]


def test_it_stands_in_the_store_and_its_layers_go_on_unchanged(
    registry: SmallRegistry, image: Image, tmp_path: Path
) -> None:
    reference, store = parse_reference(push(registry, image)), Store(tmp_path / "images")
    found, manifest = resolve(reference)
    pulled = pull(reference, found, manifest, store.folder("base-1"))
    store.take("base-1", pulled.layers, pulled.settings)
    thin = store.make("thin", [], SETTINGS, "base-1", pulled.reference)
    assert json.loads(thin.manifest)["layers"] == [
        {"mediaType": f"{LAYER}+gzip", "digest": image.layers[0].digest, "size": image.layers[0].size}
    ]
    assert json.loads(thin.config)["rootfs"]["diff_ids"] == [image.layers[0].content]
    assert (store.folder("thin") / "Dockerfile").read_text().splitlines()[1] == f"FROM {pulled.reference}"
    store.keep_only(["thin"])
    assert store.load("thin") == thin


def test_of_several_machines_images_this_ones_is_taken(registry: SmallRegistry, image: Image) -> None:
    push(registry, image)
    other = {"digest": digest_of(b"other"), "platform": {"os": "linux", "architecture": "s390x"}}
    ours = {"digest": image.digest, "platform": {"os": "linux", "architecture": architecture()}}
    registry.manifests["many"] = json.dumps({"manifests": [other, ours]}).encode()
    registry.manifests["foreign"] = json.dumps({"manifests": [other]}).encode()
    assert resolve(parse_reference(f"{registry.address}/python:many"))[0] == image.digest
    with pytest.raises(Refused, match=f"is not for linux/{architecture()}"):
        resolve(parse_reference(f"{registry.address}/python:foreign"))


def test_a_damaged_layer_is_not_kept(registry: SmallRegistry, image: Image, tmp_path: Path) -> None:
    reference = parse_reference(push(registry, image))
    registry.blobs[image.layers[0].digest] = bytes(image.layers[0].size)
    with pytest.raises(MachineryFailed, match="came damaged"):
        pull(reference, *resolve(reference), tmp_path / "base")
    assert list((tmp_path / "base").iterdir()) == []


def test_an_image_that_is_not_there_is_named(registry: SmallRegistry) -> None:
    with pytest.raises(MachineryFailed, match=r"404 to GET http://localhost:\d+/v2/python/manifests/4"):
        resolve(parse_reference(f"{registry.address}/python:4"))


def test_a_registry_that_is_not_there_is_named(registry: SmallRegistry) -> None:
    with pytest.raises(MachineryFailed, match="localhost:1/python can't be pulled"):
        resolve(parse_reference("localhost:1/python"))


@pytest.mark.parametrize(
    ("text", "registry", "repository", "version"),
    [
        ("python:3.12-slim", "registry-1.docker.io", "library/python", "3.12-slim"),
        ("docker.io/library/python", "registry-1.docker.io", "library/python", "latest"),
        ("science/python:3", "registry-1.docker.io", "science/python", "3"),
        ("localhost:5001/python:3.11", "localhost:5001", "python", "3.11"),
        ("ghcr.io/a/b/c:1", "ghcr.io", "a/b/c", "1"),
        (f"python:3@sha256:{'0' * 64}", "registry-1.docker.io", "library/python", f"sha256:{'0' * 64}"),
    ],
)
def test_references_are_read_as_docker_reads_them(text: str, registry: str, repository: str, version: str) -> None:
    found = parse_reference(text)
    assert (found.registry, found.repository, found.version) == (registry, repository, version)


@pytest.mark.parametrize("text", ["", "python:", "a b", "python:3 slim", "http://example.org/python"])
def test_what_names_no_image_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="names no image"):
        parse_reference(text)
