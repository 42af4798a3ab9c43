"""The images that a workspace keeps: a folder each, with the Dockerfile, its layers, and what the image is."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from j2k_dev.engine.workspace import read_json, write_json, write_text
from j2k_dev.model.codec import CodecError, from_plain, to_plain
from j2k_dev.packaging.layer import Layer, write_layer
from j2k_dev.packaging.oci import Image, Settings, dockerfile
from j2k_dev.packaging.tree import with_parents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from j2k_dev.packaging.tree import Entry

_FACTS = "image.json"
_DOCKERFILE = "Dockerfile"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class KeptLayer:
    """What is kept of a layer: ``identity`` is known before it is made, ``sha256`` after."""

    name: str
    identity: str
    sha256: str
    size: int
    content: str = ""
    compression: str = ""


@dataclass(frozen=True)
class Kept:
    """What is kept of an image; ``base`` is the folder of the image that it stands on."""

    base: str | None
    layers: tuple[KeptLayer, ...]
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    environment: dict[str, str]
    labels: dict[str, str]
    user: int
    folder: str


@dataclass(frozen=True)
class Wanted:
    """A layer to have: made only where no image has one of the same identity."""

    name: str
    identity: str
    entries: Callable[[], Iterable[Entry]]


@dataclass(frozen=True)
class Store:
    """The folder of images in a workspace."""

    root: Path

    def folder(self, key: str) -> Path:
        """Where one image is kept; its Dockerfile is in there."""
        return self.root / key

    def load(self, key: str) -> Image | None:
        """Give an image that is kept, whole."""
        kept = self._kept(key)
        base = self.load(kept.base) if kept and kept.base else None
        if kept is None or (kept.base and base is None):
            return None
        own = tuple(
            Layer(self.folder(key) / layer.name, layer.sha256, layer.size, layer.content, layer.compression)
            for layer in kept.layers
        )
        if not all(map(_is_whole, own)):
            return None
        settings = Settings(
            kept.entrypoint, kept.environment, kept.labels, kept.user, kept.folder, kept.command
        )  # fmt: skip
        return Image((*(base.layers if base else ()), *own), settings, architecture())

    def find(self, digest: str) -> Image | None:
        """Give the image that is kept under any key and has this digest, whole."""
        images = (self.load(folder.name) for folder in self._folders())
        return next((image for image in images if image is not None and image.digest == digest), None)

    def make(
        self, key: str, layers: Iterable[Wanted], settings: Settings, base: str | None = None, tag: str = "scratch"
    ) -> Image:
        """Give an image, made now if it is not kept; ``tag`` is what its Dockerfile begins from."""
        if (known := self.load(key)) is not None:
            return known
        folder = self.folder(key)
        folder.mkdir(parents=True, exist_ok=True)
        made = tuple(self._layer(folder, wanted) for wanted in layers)
        files = tuple(folder / layer.name for layer in made)
        made_here = base is not None and (self.folder(base) / _DOCKERFILE).exists()
        write_text(folder / _DOCKERFILE, dockerfile(tag, files, settings, f"../{base}" if made_here else ""))
        write_json(folder / _FACTS, to_plain(_facts(base, made, settings)))
        image = self.load(key)
        assert image is not None
        return image

    def take(self, key: str, layers: Iterable[Layer], settings: Settings, tag: str = "") -> Image:
        """Keep an image that others made, whose layers lie in its folder; ``tag``: what its Dockerfile begins from."""
        folder, taken = self.folder(key), tuple(layers)
        made = tuple(
            KeptLayer(layer.file.name, layer.digest, layer.sha256, layer.size, layer.content, layer.compression)
            for layer in taken
        )
        if tag:
            write_text(folder / _DOCKERFILE, dockerfile(tag, tuple(layer.file for layer in taken), settings))
        write_json(folder / _FACTS, to_plain(_facts(None, made, settings)))
        return Image(taken, settings, architecture())

    def own_bytes(self, key: str) -> int:
        """Tell the size of an image's own layers, without those that it stands on."""
        kept = self._kept(key)
        return sum(layer.size for layer in kept.layers) if kept else 0

    def keep_only(self, keys: Iterable[str]) -> None:
        """Remove all other images but those that these stand on: an environment takes hundreds of megabytes."""
        wanted, waiting = set[str](), list(keys)
        while waiting:
            wanted.add(key := waiting.pop())
            waiting += [kept.base] if (kept := self._kept(key)) and kept.base else []
        for folder in self._folders():
            if (folder / _FACTS).exists() and folder.name not in wanted:
                shutil.rmtree(folder, ignore_errors=True)

    def _layer(self, folder: Path, wanted: Wanted) -> KeptLayer:
        target = folder / wanted.name
        for known in self._same_layers(wanted):
            if not target.exists() or not target.samefile(known.file):
                target.unlink(missing_ok=True)
                os.link(known.file, target)
            return KeptLayer(wanted.name, wanted.identity, known.sha256, known.size)
        made = write_layer(with_parents(wanted.entries()), target)
        return KeptLayer(wanted.name, wanted.identity, made.sha256, made.size)

    def _same_layers(self, wanted: Wanted) -> Iterator[Layer]:
        """Find a layer in whatever image has it, whole."""
        for folder in self._folders():
            kept = self._kept(folder.name)
            for layer in kept.layers if kept else ():
                found = Layer(folder / layer.name, layer.sha256, layer.size)
                if layer.identity == wanted.identity and _is_whole(found):
                    yield found

    def _folders(self) -> list[Path]:
        return [path for path in self.root.iterdir() if path.is_dir()] if self.root.is_dir() else []

    def _kept(self, key: str) -> Kept | None:
        plain = read_json(self.folder(key) / _FACTS)
        try:
            return None if plain is None else from_plain(Kept, plain)
        except CodecError:  # of another version of j2k
            return None


def _facts(base: str | None, layers: tuple[KeptLayer, ...], settings: Settings) -> Kept:
    return Kept(
        base, layers, settings.entrypoint, settings.command, dict(settings.environment), dict(settings.labels),
        settings.user, settings.folder,
    )  # fmt: skip


def _is_whole(layer: Layer) -> bool:
    return layer.file.is_file() and layer.file.stat().st_size == layer.size


def architecture() -> str:
    """Name this machine's architecture as images do."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)
