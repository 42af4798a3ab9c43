"""Copying the images of a promotion from where they were made to where the target pulls them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from j2k_dev.actions.images.source import IMAGES
from j2k_dev.packaging.copying import Blob, Remote, Source, Stored, copy, missing
from j2k_dev.packaging.registry import Registry
from j2k_dev.packaging.store import Store
from j2k_dev.promote.images import digest_of, host_and_path, total
from j2k_dev.report.units import human_bytes, plural

if TYPE_CHECKING:
    from collections.abc import Mapping

    from j2k_dev.actions.promotion.context import Promotion


class CopyImages:
    """Copies by digest what the target's registry lacks."""

    def execute(self, promotion: Promotion) -> Promotion:
        """Copy one image after the other; most of the first one is all that the others stand on."""
        plan, registry = promotion.decided, promotion.to.registry
        path = repository_path(promotion)
        if not total(plan.images):
            return promotion
        told = f"copying {plural(len(plan.images), 'image')} to {registry.address}, {human_bytes(total(plan.images))}"
        with promotion.ui.step(told):
            sent = sum(copy(source_of(promotion, image.source), registry, path) for image in plan.images)
        promotion.ui.note(f"{human_bytes(sent)} sent to {registry.host}")
        return promotion


def source_of(promotion: Promotion, reference: str) -> Source:
    """Find an image where it was made, else in the registry that its manifest names."""
    kept = Store(promotion.workspace.root / IMAGES).find(digest_of(reference))
    if kept is not None:
        return Stored(kept)
    host, path = host_and_path(reference)
    return Remote(Registry(host), path, digest_of(reference))


def missing_bytes(promotion: Promotion, stages: Mapping[str, str]) -> dict[str, int]:
    """Count what the target's registry lacks of each image, by digest; what several share counts for the first."""
    counted: set[Blob] = set()
    found: dict[str, int] = {}
    for reference in stages.values():
        lacking = set(missing(source_of(promotion, reference), promotion.to.registry, repository_path(promotion)))
        found.setdefault(digest_of(reference), sum(blob.size for blob in lacking - counted))
        counted |= lacking
    return found


def repository_path(promotion: Promotion) -> str:
    """Name the repository within its registry."""
    return host_and_path(promotion.to.target.registry.pushed(promotion.to.pipeline))[1]


def entrypoint_of(source: Source) -> tuple[str, ...]:
    """Read what starts the interpreter in an image."""
    if isinstance(source, Stored):
        return source.image.settings.entrypoint
    described = json.loads(source.manifest())["config"]
    with source.opened(Blob(described["digest"], described["size"])) as file:
        file.seek(0)
        return tuple(json.loads(file.read())["config"].get("Entrypoint") or ())
