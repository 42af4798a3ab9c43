"""The four images of a sandbox, present in the Docker engine: pulled from a registry, or built from packages."""

from __future__ import annotations

import shutil
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import docker
import docker.errors
import requests

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.sandbox.building.build import Builder, builder
from j2k_dev.sandbox.building.recipes import Recipes, load_recipes
from j2k_dev.sandbox.model import Image, Images, Source

if TYPE_CHECKING:
    from j2k_dev.sandbox.commands import Runner
    from j2k_dev.sandbox.progress import Progress

Choice: TypeAlias = Literal["auto", "registry", "packages"]
ROLES = ("node", "registry", "kafka", "proxy")

_REGISTRY = "https://registry-1.docker.io/v2/"
_PROBE_SECONDS = 2


@dataclass(frozen=True)
class _Sources:
    """What both sources work with."""

    recipes: Recipes
    client: docker.DockerClient
    builder: Builder
    progress: Progress

    def reference(self, role: str, source: Source) -> str:
        """Name a role's image as the source does."""
        return self.recipes.reference(role) if source == "packages" else str(self.recipes.tables["registry"][role])

    def present(self, role: str, source: Source) -> Image | None:
        """Find a role's image in the engine."""
        reference = self.reference(role, source)
        try:
            found = self.client.images.get(reference)
        except docker.errors.ImageNotFound:
            return None
        digests = found.attrs.get("RepoDigests") or []
        digest = digests[0].partition("@")[2] if digests and source == "registry" else str(found.id)
        return Image(reference, digest, source)


def provide_images(choice: Choice, client: docker.DockerClient, runner: Runner, progress: Progress) -> Images:
    """Have the images in the engine and the programs on this machine; build or pull only what is missing.

    Raises MachineryFailed when a build or a pull fails, or when something that building needs is missing.
    """
    recipes = load_recipes()
    sources = _Sources(recipes, client, builder(recipes, runner, progress), progress)
    source = _chosen(choice, sources)
    images = _built(sources) if source == "packages" else _pulled(sources)
    kind, kubectl = _tools(source, sources)
    kubernetes = str(recipes.tables[source]["kubernetes"])
    return Images(**images, kubernetes=kubernetes, kind=kind, kubectl=kubectl)


def images_at_hand(client: docker.DockerClient, runner: Runner, progress: Progress) -> bool:
    """Tell whether a sandbox needs no building: its images are here, or were built before, or a registry answers."""
    recipes = load_recipes()
    sources = _Sources(recipes, client, builder(recipes, runner, progress), progress)
    archives = (sources.builder.folder(recipes.tables["packages"][role]) / "image.tar" for role in ROLES)
    return (
        all(
            sources.present(role, "packages") or archive.exists() for role, archive in zip(ROLES, archives, strict=True)
        )
        or all(sources.present(role, "registry") for role in ROLES)
        or registry_answers()
    )


def registry_answers() -> bool:
    """Probe the public registry for a moment; any answer but a gateway's failure counts."""
    try:
        with urllib.request.urlopen(_REGISTRY, timeout=_PROBE_SECONDS):
            return True
    except urllib.error.HTTPError as answer:
        return answer.code in {200, 401}
    except (OSError, ValueError):
        return False


def _chosen(choice: Choice, sources: _Sources) -> Source:
    if choice != "auto":
        return choice
    for source in ("packages", "registry"):
        if all(sources.present(role, source) for role in ROLES):
            return source
    if registry_answers():
        sources.progress.note("images: the public ones, since a container registry answers (--images registry)")
        return "registry"
    told = "images: built from Debian, Go and Maven packages, since no container registry answers (--images packages)"
    sources.progress.note(told)
    return "packages"


def _built(sources: _Sources) -> dict[str, Image]:
    """Load what the engine lacks from the cache, after building what the cache lacks."""
    lacking = {
        role: sources.recipes.tables["packages"][role] for role in ROLES if not sources.present(role, "packages")
    }
    sources.builder.provide(list(lacking.values()))
    for role, name in lacking.items():
        with sources.progress.step(f"loading the image {role} into Docker"):
            _load(sources.builder.folder(name) / "image.tar", sources.client)
    return {role: _expected(role, "packages", sources) for role in ROLES}


def _load(archive: Path, client: docker.DockerClient) -> None:
    try:
        with archive.open("rb") as stream:
            client.images.load(stream)
    except (docker.errors.DockerException, requests.RequestException) as error:
        out = f"docker load -i {archive}"
        raise MachineryFailed("Docker could not load an image", out, detail=f"$ {out}\n{error}") from error


def _pulled(sources: _Sources) -> dict[str, Image]:
    for role in ROLES:
        if not sources.present(role, "registry"):
            with sources.progress.step(f"pulling {sources.reference(role, 'registry')}"):
                _pull(sources.reference(role, "registry"), sources.client)
    return {role: _expected(role, "registry", sources) for role in ROLES}


def _pull(reference: str, client: docker.DockerClient) -> None:
    try:
        client.images.pull(reference)
    except (docker.errors.DockerException, requests.RequestException) as error:
        what = f"Docker could not pull {reference}"
        way_out = "run it again, or build the images instead: --images packages"
        raise MachineryFailed(what, way_out, detail=f"$ docker pull {reference}\n{error}") from error


def _expected(role: str, source: Source, sources: _Sources) -> Image:
    image = sources.present(role, source)
    if image is None:
        reference = sources.reference(role, source)
        raise MachineryFailed(f"Docker took the image {role} in but does not have {reference}", "run the command again")
    return image


def _tools(source: Source, sources: _Sources) -> tuple[Path, Path]:
    """Find kind and kubectl: with public images PATH's, else those that are built with the node image."""
    kind, kubectl = (_tool(name, source, sources) for name in ("kind", "kubectl"))
    return kind, kubectl


def _tool(name: str, source: Source, sources: _Sources) -> Path:
    found = shutil.which(name) if source == "registry" else None
    if found:
        return Path(found)
    artefact, _, file = str(sources.recipes.tables["tools"][name]).partition("/")
    sources.builder.provide([artefact])
    return sources.builder.folder(artefact) / file
