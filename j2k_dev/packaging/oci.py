"""Images in the terms of the OCI: configuration, manifest, and the Dockerfile that says the same.

All of it follows from the layers and the settings alone, so that an image made twice has one digest. Layers are not
compressed: how well a compressor does differs from one version of it to the next, and the digest with it.
"""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from j2k_dev.packaging.layer import Layer

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"

_EPOCH = "1970-01-01T00:00:00Z"
_CHUNK = 1 << 20
_SPECIAL, _ESCAPED = re.compile(r'([\\"$])'), r"\\\1"


@dataclass(frozen=True)
class Settings:
    """How a container of an image starts; ``user`` is numeric, as *restricted* pods need it."""

    entrypoint: tuple[str, ...]
    environment: Mapping[str, str]
    labels: Mapping[str, str]
    user: int
    folder: str = "/tmp"  # noqa: S108 - a container's own
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Image:
    """An image: its layers, lowest first, and its settings; ``architecture`` as Go names it."""

    layers: tuple[Layer, ...]
    settings: Settings
    architecture: str = "amd64"

    @property
    def config(self) -> bytes:
        """The configuration, to be stored as it is."""
        settings = self.settings
        config = {
            "User": f"{settings.user}:{settings.user}",
            "Env": [f"{name}={value}" for name, value in sorted(settings.environment.items())],
            "Entrypoint": list(settings.entrypoint),
            "Cmd": list(settings.command) or None,
            "WorkingDir": settings.folder,
            "Labels": dict(sorted(settings.labels.items())),
        }
        return _written(
            {
                "architecture": self.architecture,
                "os": "linux",
                "created": _EPOCH,
                "config": config,
                "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in self.layers]},
                "history": [{"created": _EPOCH, "created_by": f"j2k: {layer.file.name}"} for layer in self.layers],
            }
        )

    @property
    def id(self) -> str:
        """What a Docker engine calls the image."""
        return digest_of(self.config)

    @property
    def manifest(self) -> bytes:
        """The manifest, to be stored as it is."""
        config = self.config
        return _written(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": CONFIG, "digest": digest_of(config), "size": len(config)},
                "layers": [_described(layer) for layer in self.layers],
            }
        )

    @property
    def digest(self) -> str:
        """What a registry calls the image."""
        return digest_of(self.manifest)


def _described(layer: Layer) -> dict[str, object]:
    kind = f"{LAYER}+{layer.compression}" if layer.compression else LAYER
    return {"mediaType": kind, "digest": layer.digest, "size": layer.size}


def digest_of(data: bytes) -> str:
    """Write a hash as registries do."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _written(document: object) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def dockerfile(base: str, layers: tuple[Path, ...], settings: Settings, base_folder: str = "") -> str:
    """Write the Dockerfile that makes the same image of the files beside it; in ``base_folder``, ``base`` is made."""
    lines = [
        "# Made by j2k. `docker build .` in this folder makes the image without j2k.",
        *([f"# What it stands on is made first: docker build -t {base} {base_folder}"] if base_folder else []),
        f"FROM {base}",
        *(f"ADD {file.name} /" for file in layers),
        *(_assigned("ENV", name, value) for name, value in sorted(settings.environment.items())),
        *(_assigned("LABEL", name, value) for name, value in sorted(settings.labels.items())),
        f"USER {settings.user}:{settings.user}",
        f"WORKDIR {settings.folder}",
        f"ENTRYPOINT {json.dumps(list(settings.entrypoint))}",
        *([f"CMD {json.dumps(list(settings.command))}"] if settings.command else []),
    ]
    return "\n".join(lines) + "\n"


def _assigned(instruction: str, name: str, value: str) -> str:
    """Write an assignment such that the builder puts in nothing of its own (``$NAME``)."""
    if "\n" in value:
        return f"# {instruction} {name} has several lines, which a Dockerfile can't say: docker run -e {name}=…"
    return f'{instruction} {name}="{re.sub(_SPECIAL, _ESCAPED, value)}"'


# --- the archive that `docker load` takes -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Member:
    name: str
    data: bytes = b""
    file: Path | None = None
    size: int = field(default=0)


def docker_archive(image: Image, reference: str) -> Iterator[bytes]:
    """Give, piece by piece, the archive that ``docker load`` takes."""
    config = _Member(f"{image.id.removeprefix('sha256:')}.json", image.config)
    layers = [_Member(f"{layer.sha256}.tar", file=layer.file, size=layer.size) for layer in image.layers]
    listed = [{"Config": config.name, "RepoTags": [reference], "Layers": [layer.name for layer in layers]}]
    for member in (config, *layers, _Member("manifest.json", _written(listed))):
        yield from _pieces(member)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _pieces(member: _Member) -> Iterator[bytes]:
    info = tarfile.TarInfo(member.name)
    info.size = member.size or len(member.data)
    yield info.tobuf(tarfile.GNU_FORMAT)
    if member.file is None:
        yield member.data
    else:
        with member.file.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    yield bytes(-info.size % tarfile.BLOCKSIZE)
