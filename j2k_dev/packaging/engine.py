"""Giving images to a Docker engine, and what they are called there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from docker.errors import DockerException, ImageNotFound
from requests.exceptions import RequestException

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.packaging.oci import docker_archive

if TYPE_CHECKING:
    from docker import DockerClient

    from j2k_dev.packaging.oci import Image

_LOCAL = "j2k.local"


def repository(name: str) -> str:
    """Name the repository of a notebook's images, by the letters that repositories may have."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return f"j2k/{slug or 'notebook'}"


def local_reference(name: str, key: str) -> str:
    """Name an image in the Docker engine of this machine."""
    return f"{_LOCAL}/{repository(name)}:{key}"


def load(client: DockerClient, image: Image, reference: str) -> None:
    """Give an image to the engine, unless it has it under this name."""
    try:
        try:
            if client.images.get(reference).id == image.id:
                return
        except ImageNotFound:
            pass
        # Its own client sends files and bytes alone; an image is read from disk piece by piece.
        client.api.load_image(docker_archive(image, reference))  # type: ignore[no-untyped-call]  # types-docker has none
        client.images.get(reference)
    except (DockerException, RequestException) as error:
        raise MachineryFailed(
            f"the Docker engine did not take the image {reference}: {error}", "see j2k doctor, and docker system df"
        ) from error
