"""Images are pushed whole, and what is there is not sent again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.packaging.registry import Registry
from tests.packaging.small_registry import SmallRegistry, small_registry

if TYPE_CHECKING:
    from j2k_dev.packaging.oci import Image


def test_an_image_is_pushed_and_named_by_its_digest(server: SmallRegistry, image: Image) -> None:
    reference = Registry(server.address).push(image, "j2k/analysis", "environment-1")
    assert reference == f"{server.address}/j2k/analysis@{image.digest}"
    assert server.manifests["environment-1"] == server.manifests[image.digest] == image.manifest
    assert set(server.sent) == {image.id, *(layer.digest for layer in image.layers)}


def test_what_is_there_is_not_sent_again(server: SmallRegistry, image: Image) -> None:
    registry = Registry(server.address)
    registry.push(image, "j2k/analysis", "one")
    server.sent.clear()
    registry.push(image, "j2k/analysis", "one")
    assert server.sent == []
    thin = replace(image, settings=replace(image.settings, labels={"j2k.dev/stage": "load"}))
    registry.push(thin, "j2k/analysis", "two")
    assert server.sent == [thin.id]


def test_a_registry_that_does_not_answer_is_named(image: Image) -> None:
    with small_registry() as server:
        address = server.address
    with pytest.raises(MachineryFailed, match=f"the registry {address} can't be used") as caught:
        Registry(address).push(image, "j2k/analysis", "one")
    assert f"curl http://{address}/v2/" in caught.value.way_out


def test_a_part_of_a_registry_is_pushed_to(server: SmallRegistry, image: Image) -> None:
    reference = Registry(f"{server.address}/science").push(image, "j2k/analysis", "one")
    assert reference == f"{server.address}/science/j2k/analysis@{image.digest}"
    assert server.manifests["one"] == image.manifest


def test_a_registry_that_wants_to_know_who_pushes_is_told_apart(server: SmallRegistry, image: Image) -> None:
    server.closed = True
    with pytest.raises(MachineryFailed, match="wants to know who pushes: 401") as caught:
        Registry(server.address).push(image, "j2k/analysis", "one")
    assert "docker login" in caught.value.way_out
