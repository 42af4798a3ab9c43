"""The example of ``manifests/example``, promoted: made here for the tests of this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from j2k_dev.actions.cluster.sites import kubectl_here
from j2k_dev.cli.progress import QuietUi
from j2k_dev.deploy.data import manifests_folder
from j2k_dev.deploy.target import read_target
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.promote.tree import promoted_tree
from tests.deploy.made import IMAGES

if TYPE_CHECKING:
    from j2k_dev.deploy.target import Target

EXAMPLE = manifests_folder() / "example"
SMALL = """context: {context}
registry:
  push: registry.example.org/science
storage:
  class: shared
kafka:
  bootstrap: kafka:9092
"""


def base() -> dict[str, str]:
    """The example's base, as it was verified."""
    return {path.name: path.read_text() for path in (EXAMPLE / "base").iterdir()}


def prod() -> Target:
    """What the example's target file says."""
    return read_target("prod", None, EXAMPLE)


def images(target: Target) -> dict[str, str]:
    """The example's images as a target pulls them."""
    return {image: f"{target.registry.pulled('weather')}@{image.partition('@')[2]}" for image in IMAGES.values()}


def tree(target: Target) -> dict[str, str]:
    """The example, promoted to a target."""
    return promoted_tree(base(), target, images(target))


def kubectl() -> str:
    """Find kubectl, the machine's or the sandbox's own; without any, what kustomize makes of trees is skipped aloud."""
    try:
        return kubectl_here(QuietUi())
    except MachineryFailed as error:
        pytest.skip(f"{error.message}, and no sandbox was made here: nothing says what kustomize makes")
