"""Copying an image by its digest into another registry: only what is not there, and all of it checked.

An image comes from where it was made (``Stored``) or from a registry (``Remote``); both give the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.packaging.oci import digest_of
from j2k_dev.packaging.registry import RegistryRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from j2k_dev.packaging.layer import Layer
    from j2k_dev.packaging.oci import Image
    from j2k_dev.packaging.registry import Registry

T = TypeVar("T")

_TRIES = 5
_FIRST_PAUSE_SECONDS = 0.5
_CHUNK = 1 << 20
_TAG_DIGITS = 12


@dataclass(frozen=True)
class Blob:
    """A layer or a configuration; ``size`` in bytes."""

    digest: str
    size: int


class Source(Protocol):
    """Where an image is copied from."""

    def manifest(self) -> bytes:
        """Give the manifest, byte for byte."""

    @contextmanager
    def opened(self, blob: Blob) -> Iterator[BinaryIO]:
        """Give a file with what is in a blob, checked."""


@dataclass(frozen=True)
class Stored:
    """An image whose layers lie on this disk."""

    image: Image

    def manifest(self) -> bytes:
        """Give the manifest."""
        return self.image.manifest

    @contextmanager
    def opened(self, blob: Blob) -> Iterator[BinaryIO]:
        """Open a layer where it lies; raise MachineryFailed where it is not what it was."""
        layer = next((layer for layer in self.image.layers if layer.digest == blob.digest), None)
        if layer is None:
            yield io.BytesIO(self.image.config)
            return
        with _whole(layer) as file:
            yield file


@dataclass(frozen=True)
class Remote:
    """An image in a registry."""

    registry: Registry
    repository: str
    digest: str

    def manifest(self) -> bytes:
        """Get the manifest; raise MachineryFailed where it is not the one that was asked for."""
        with self.registry.session() as session:
            content = session.get(f"{self.repository}/manifests/{self.digest}").content
        if digest_of(content) != self.digest:
            raise _damaged(self.digest)
        return content

    @contextmanager
    def opened(self, blob: Blob) -> Iterator[BinaryIO]:
        """Fetch a blob into a file that is gone afterwards."""
        with tempfile.TemporaryFile() as file:
            found = hashlib.sha256()
            with self.registry.session() as session, session.get(f"{self.repository}/blobs/{blob.digest}") as answer:
                for chunk in answer.iter_content(_CHUNK):
                    found.update(chunk)
                    file.write(chunk)
            if f"sha256:{found.hexdigest()}" != blob.digest:
                raise _damaged(blob.digest)
            yield file


def missing(source: Source, registry: Registry, repository: str) -> tuple[Blob, ...]:
    """Return what of an image a registry lacks; nothing where it has the image."""
    manifest = source.manifest()
    with registry.session() as session:
        if session.has(f"{repository}/manifests/{digest_of(manifest)}"):
            return ()
        return tuple(blob for blob in _blobs(manifest) if not session.has(f"{repository}/blobs/{blob.digest}"))


def copy(source: Source, registry: Registry, repository: str, tell: Callable[[Blob], None] = lambda _blob: None) -> int:
    """Copy an image, and return how many bytes were sent; a connection that breaks is made anew, several times.

    ``tell`` hears of each blob before it is sent. ``repository`` is its whole path in the registry.
    """
    manifest, sent = _persistently(source.manifest), 0
    for blob in _persistently(lambda: missing(source, registry, repository)):
        tell(blob)
        _persistently(lambda blob=blob: _send(source, blob, registry, repository))  # type: ignore[misc]
        sent += blob.size
    _persistently(lambda: _name(registry, repository, manifest))
    return sent


def _send(source: Source, blob: Blob, registry: Registry, repository: str) -> None:
    with source.opened(blob) as file, registry.session() as session:
        session.push_file(repository, blob.digest, file)


def _name(registry: Registry, repository: str, manifest: bytes) -> None:
    """Make an image of what was sent, unless it is there: under a tag too, as registries remove what has none."""
    digest = digest_of(manifest)
    with registry.session() as session:
        if not session.has(f"{repository}/manifests/{digest}"):
            session.put_manifest(repository, f"j2k-{digest.partition(':')[2][:_TAG_DIGITS]}", manifest)


def _persistently(do: Callable[[], T]) -> T:
    pause = _FIRST_PAUSE_SECONDS
    for _ in range(_TRIES - 1):
        try:
            return do()
        except RegistryRefused:
            raise
        except MachineryFailed:
            pass  # said by the last try
        threading.Event().wait(pause)
        pause *= 2
    return do()


def _blobs(manifest: bytes) -> Iterator[Blob]:
    document = json.loads(manifest)
    for each in (*document["layers"], document["config"]):
        yield Blob(each["digest"], each["size"])


@contextmanager
def _whole(layer: Layer) -> Iterator[BinaryIO]:
    with layer.file.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != layer.sha256:
            raise _damaged(layer.digest)
        yield file


def _damaged(digest: str) -> MachineryFailed:
    return MachineryFailed(f"{digest} is damaged, or came damaged", "j2k up NOTEBOOK makes the images anew")
