"""Images are copied byte for byte, from a disk or a registry, and only what is not there yet."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.packaging import copying
from j2k_dev.packaging.copying import Remote, Stored, copy, missing
from j2k_dev.packaging.registry import Registry, RegistryRefused
from tests.packaging.small_registry import SmallRegistry, small_registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from j2k_dev.packaging.copying import Blob
    from j2k_dev.packaging.oci import Image


@pytest.fixture
def other() -> Iterator[SmallRegistry]:
    with small_registry() as registry:
        yield registry


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "_FIRST_PAUSE_SECONDS", 0.0)


def test_an_image_is_copied_from_one_registry_to_another_byte_for_byte(
    server: SmallRegistry, other: SmallRegistry, image: Image
) -> None:
    Registry(server.address).push(image, "j2k/analysis", "fit")
    source = Remote(Registry(server.address), "j2k/analysis", image.digest)
    told: list[Blob] = []
    sent = copy(source, Registry(other.address), "science/analysis", told.append)
    assert other.manifests[image.digest] == image.manifest
    assert set(other.sent) == {image.id, *(layer.digest for layer in image.layers)}
    assert sent == sum(blob.size for blob in told) == sum(layer.size for layer in image.layers) + len(image.config)


def test_an_image_is_copied_from_the_disk_where_it_was_made(server: SmallRegistry, image: Image) -> None:
    copy(Stored(image), Registry(server.address), "science/analysis")
    assert server.manifests[image.digest] == image.manifest


def test_only_layers_that_are_not_there_are_copied(server: SmallRegistry, image: Image) -> None:
    registry = Registry(server.address)
    copy(Stored(image), registry, "science/analysis")
    server.sent.clear()
    thin = replace(image, settings=replace(image.settings, labels={"j2k.dev/stage": "load"}))
    assert [blob.digest for blob in missing(Stored(thin), registry, "science/analysis")] == [thin.id]
    copy(Stored(thin), registry, "science/analysis")
    assert server.sent == [thin.id]
    assert missing(Stored(thin), registry, "science/analysis") == ()
    assert copy(Stored(thin), registry, "science/analysis") == 0


def test_a_connection_that_breaks_is_made_anew(server: SmallRegistry, other: SmallRegistry, image: Image) -> None:
    Registry(server.address).push(image, "j2k/analysis", "fit")
    server.broken, other.broken = 2, 3
    copy(Remote(Registry(server.address), "j2k/analysis", image.digest), Registry(other.address), "science/analysis")
    assert other.manifests[image.digest] == image.manifest
    assert sorted(other.sent) == sorted(set(other.sent)), "nothing is sent twice"


def test_a_connection_that_breaks_always_is_given_up(server: SmallRegistry, image: Image) -> None:
    server.broken = 1000
    with pytest.raises(MachineryFailed, match="can't be used"):
        copy(Stored(image), Registry(server.address), "science/analysis")


def test_wrong_credentials_are_not_tried_again(server: SmallRegistry, image: Image) -> None:
    server.closed = True
    with pytest.raises(RegistryRefused, match="wants to know who pushes: 401") as caught:
        copy(Stored(image), Registry(server.address), "science/analysis")
    assert caught.value.way_out == f"docker login {server.address}"


def test_a_layer_that_was_changed_on_disk_is_not_sent(server: SmallRegistry, image: Image) -> None:
    layer = image.layers[1]
    layer.file.write_bytes(layer.file.read_bytes().replace(b"x", b"y"))
    with pytest.raises(MachineryFailed, match="is damaged"):
        copy(Stored(image), Registry(server.address), "science/analysis")
    assert server.manifests == {}
    assert layer.digest not in server.sent


def test_a_blob_that_comes_damaged_is_not_sent(server: SmallRegistry, other: SmallRegistry, image: Image) -> None:
    Registry(server.address).push(image, "j2k/analysis", "fit")
    server.blobs[image.layers[0].digest] = b"something else"
    source = Remote(Registry(server.address), "j2k/analysis", image.digest)
    with pytest.raises(MachineryFailed, match="is damaged"):
        copy(source, Registry(other.address), "science/analysis")
    assert other.sent == []


def test_a_manifest_that_is_another_one_is_not_copied(
    server: SmallRegistry, other: SmallRegistry, image: Image
) -> None:
    Registry(server.address).push(image, "j2k/analysis", "fit")
    server.manifests[image.digest] = image.manifest + b" "
    source = Remote(Registry(server.address), "j2k/analysis", image.digest)
    with pytest.raises(MachineryFailed, match=f"{image.digest} is damaged"):
        copy(source, Registry(other.address), "science/analysis")
    assert other.manifests == {}
