"""Container images: layers from artefacts and data files, and a node's own images in its containerd."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from j2k_dev.sandbox.building.archive import Entry, entries_of, write_image, write_layer
from j2k_dev.sandbox.building.debian import pack, run_inside, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from j2k_dev.sandbox.building.making import Making
    from j2k_dev.sandbox.building.recipes import ContainerImage

RECIPE_LABEL = "j2k.dev/recipe"
_STORE = "./var/lib/containerd"


def make_container_image(artefact: ContainerImage, making: Making) -> None:
    """Put the layers together as ``image.tar``, labelled with the recipe's key."""
    with making.step(f"putting together the image {artefact.name}"):
        layers = list(_layers(artefact, making))
        labels = {**artefact.config.get("Labels", {}), RECIPE_LABEL: making.recipes.keys[artefact.name]}
        config = {**artefact.config, "Labels": labels}
        write_image(making.folder / "image.tar", making.recipes.artefact_reference(artefact.name), layers, config)
        for layer in layers:
            if layer.is_relative_to(making.folder):
                layer.unlink()


def _layers(artefact: ContainerImage, making: Making) -> Iterator[Path]:
    if artefact.base:
        yield making.source(artefact.base)
    yield write_layer(making.folder / "files.tar", _entries(artefact, making))
    if artefact.preload:
        yield _preloaded(artefact, making)


def _entries(artefact: ContainerImage, making: Making) -> Iterator[Entry]:
    if not artefact.base:
        yield Entry("/tmp", mode=0o1777)  # noqa: S108 a folder inside the image
    for name, owner in artefact.folders.items():
        yield Entry(name, owner=owner)
    for name, source in artefact.files.items():
        yield from entries_of(name, making.source(source))
    for name, link in artefact.links.items():
        yield Entry(name, link=link)


def _preloaded(artefact: ContainerImage, making: Making) -> Path:
    """Let the root filesystem's own containerd take the images in, and pack its store as a layer."""
    root = making.folder / "root"
    store = making.folder / "store.tar"
    (root / "preload").mkdir(parents=True)
    making.run(unpack(making.source(artefact.base), root))
    for name in artefact.preload:
        shutil.copyfile(making.source(f"{name}/image.tar"), root / "preload" / f"{name}.tar")
    making.run(run_inside(root, making.source(artefact.preload_script).read_text(encoding="utf-8")))
    making.run(pack(root, store, part=_STORE))
    shutil.rmtree(root)
    return store
