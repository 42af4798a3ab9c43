"""Which images a promotion copies, and what they are called where they go. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from j2k_dev.model.errors import Refused
from j2k_dev.promote.model import ImageCopy

if TYPE_CHECKING:
    from collections.abc import Mapping


def copies(stages: Mapping[str, str], pushed: str, missing: Mapping[str, int]) -> tuple[ImageCopy, ...]:
    """List the images of stages (``host/repository@sha256:…`` by name) as they are copied to the repository ``pushed``.

    ``missing`` has the bytes that are not there yet, by digest. Raises Refused for an image without a digest.
    """
    return tuple(
        ImageCopy(name, source, pushed, digest_of(source), missing.get(digest_of(source), 0))
        for name, source in stages.items()
    )


def pulled_as(stages: Mapping[str, str], pulled: str) -> dict[str, str]:
    """Say what the cluster pulls, by the reference in the base."""
    return {source: f"{pulled}@{digest_of(source)}" for source in stages.values()}


def digest_of(reference: str) -> str:
    """Return the digest of a reference; raise Refused where it has none: a tag may mean another image tomorrow."""
    digest = reference.rpartition("@")[2]
    if not digest.startswith("sha256:"):
        raise Refused(f"{reference} has no digest", "j2k up NOTEBOOK writes manifests that have them")
    return digest


def host_and_path(reference: str) -> tuple[str, str]:
    """Split a reference into its registry and its repository's path there, without the digest."""
    host, _, path = reference.partition("@")[0].partition("/")
    return host, path


def total(images: tuple[ImageCopy, ...]) -> int:
    """Sum the bytes that are to be copied, what several images share once: only the first one lacks it then."""
    return sum(image.missing_bytes for image in images)
