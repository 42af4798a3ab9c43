"""Pulling an image from a registry (OCI distribution specification 1.1): each layer as it is, checked by its hash."""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

from j2k_dev.model.errors import MachineryFailed, Refused
from j2k_dev.packaging.layer import Layer
from j2k_dev.packaging.oci import MANIFEST, Settings, digest_of
from j2k_dev.packaging.registry import scheme_of
from j2k_dev.packaging.registry_login import RegistryLogin, login_for
from j2k_dev.packaging.store import architecture

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_MANIFESTS = (MANIFEST, "application/vnd.docker.distribution.manifest.v2+json")
_SECONDS = (5.0, 300.0)
_OK = 200
_CHUNK = 1 << 20
_DOCKER_HUB = "registry-1.docker.io"
_NAMED = re.compile(
    r"(?P<name>[\w.-]+(?::\d+/[\w.-]+)?(?:/[\w.-]+)*)(?::(?P<tag>\w[\w.-]*))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


@dataclass(frozen=True)
class Reference:
    """Where an image is; ``version`` is its digest or tag, ``name`` all before that, as it was written."""

    name: str
    registry: str
    repository: str
    version: str

    def exactly(self, digest: str) -> str:
        """Name this very image, for a Dockerfile."""
        return f"{self.name}@{digest}"


@dataclass(frozen=True)
class Pulled:
    """What was pulled; ``reference`` names exactly this image."""

    reference: str
    layers: tuple[Layer, ...]
    settings: Settings


def parse_reference(text: str) -> Reference:
    """Read a reference as Docker does: without a registry it is Docker Hub's, without a tag ``latest``."""
    found = _NAMED.fullmatch(text)
    if found is None:
        raise Refused(f"{text!r} names no image", "write it as docker pull takes it: python:3.12-slim")
    first, _, rest = found["name"].partition("/")
    elsewhere = bool(rest) and ("." in first or ":" in first or first == "localhost")
    repository = rest if elsewhere else found["name"] if rest else f"library/{found['name']}"
    registry = first if elsewhere and first != "docker.io" else _DOCKER_HUB
    return Reference(found["name"], registry, repository, found["digest"] or found["tag"] or "latest")


def resolve(reference: Reference) -> tuple[str, dict[str, Any]]:
    """Return the digest and the manifest of the image for this machine's architecture."""
    with _session(reference) as session:
        return session.manifest(reference.version)


def pull(reference: Reference, digest: str, manifest: Mapping[str, Any], folder: Path) -> Pulled:
    """Fetch an image's layers into a folder; those that are there are not fetched again."""
    folder.mkdir(parents=True, exist_ok=True)
    with _session(reference) as session:
        document = json.loads(session.blob(manifest["config"]["digest"]))
        contents = document["rootfs"]["diff_ids"]
        layers = tuple(
            session.layer(described, content, folder)
            for described, content in zip(manifest["layers"], contents, strict=True)
        )
    return Pulled(reference.exactly(digest), layers, _settings(document.get("config") or {}))


def _settings(config: Mapping[str, Any]) -> Settings:
    environment = dict(line.split("=", 1) for line in config.get("Env") or ())
    start = tuple(config.get("Entrypoint") or ())
    return Settings(start, environment, config.get("Labels") or {}, 0, config.get("WorkingDir") or "/")


@contextmanager
def _session(reference: Reference) -> Iterator[_Session]:
    address = f"{scheme_of(reference.registry)}://{reference.registry}/v2/"
    with requests.Session() as session:
        session.auth = RegistryLogin(login_for(reference.registry))
        try:
            yield _Session(session, f"{address}{reference.repository}")
        except (requests.RequestException, OSError) as error:
            raise MachineryFailed(
                f"{reference.name} can't be pulled: {error}", f"see whether the registry answers: curl {address}"
            ) from error


class _Session:
    """One conversation with a registry about one repository."""

    def __init__(self, session: requests.Session, base: str) -> None:
        self._session = session
        self._base = base

    def manifest(self, version: str) -> tuple[str, dict[str, Any]]:
        """Get a manifest; of an index, the one for this machine's architecture."""
        answer = self._get(f"manifests/{version}", accept=", ".join((*_MANIFESTS, *_INDEXES)))
        digest, found = digest_of(answer.content), answer.json()
        if version.startswith("sha256:") and digest != version:
            raise _damaged(f"manifests/{version}")
        if "manifests" not in found:
            return digest, found
        for each in found["manifests"]:
            platform = each.get("platform", {})
            if platform.get("os") == "linux" and platform.get("architecture") == architecture():
                return self.manifest(each["digest"])
        raise Refused(f"{self._base}:{version} is not for linux/{architecture()}", "name another image: --base IMAGE")

    def blob(self, digest: str) -> bytes:
        """Get some bytes."""
        content = self._get(f"blobs/{digest}").content
        if digest_of(content) != digest:
            raise _damaged(f"blobs/{digest}")
        return content

    def layer(self, described: Mapping[str, Any], content: str, folder: Path) -> Layer:
        """Get a layer into a folder, complete or not at all."""
        sha256 = described["digest"].removeprefix("sha256:")
        compression = next((way for way in ("gzip", "zstd") if described["mediaType"].endswith(way)), "")
        target = folder / f"{sha256[:16]}.tar{'.' if compression else ''}{compression}"
        layer = Layer(target, sha256, described["size"], content, compression)
        if not (target.is_file() and target.stat().st_size == layer.size):
            self._fetch(layer)
        return layer

    def _fetch(self, layer: Layer) -> None:
        partial, found = layer.file.with_name(f"{layer.file.name}.new"), hashlib.sha256()
        with self._get(f"blobs/{layer.digest}") as answer, partial.open("wb") as file:
            for chunk in answer.iter_content(_CHUNK):
                found.update(chunk)
                file.write(chunk)
        if found.hexdigest() != layer.sha256:
            partial.unlink()
            raise _damaged(f"blobs/{layer.digest}")
        partial.replace(layer.file)

    def _get(self, place: str, accept: str = "*/*") -> requests.Response:
        address, headers = f"{self._base}/{place}", {"Accept": accept}
        answer = self._session.get(address, headers=headers, timeout=_SECONDS, stream=True)
        if answer.status_code != _OK:
            raise MachineryFailed(
                f"the registry answered {answer.status_code} to GET {address}",
                "docker pull says whether it is there, docker login who asks; or name another image: --base IMAGE",
                answer.text[:2000],
            )
        return answer


def _damaged(place: str) -> MachineryFailed:
    return MachineryFailed(f"{place} came damaged from the registry", "run the same command again")
