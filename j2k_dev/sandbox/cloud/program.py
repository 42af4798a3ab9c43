"""The program that a twin has instead of a cloud: built once, and only where there is a twin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from j2k_dev.sandbox.building.build import builder
from j2k_dev.sandbox.building.recipes import load_recipes

if TYPE_CHECKING:
    from pathlib import Path

    from j2k_dev.sandbox.commands import Runner
    from j2k_dev.sandbox.progress import Progress


def cloud_program(runner: Runner, progress: Progress) -> Path:
    """Find the program, or build it from Go modules, wherever the images are from."""
    recipes = load_recipes()
    artefact, _, file = str(recipes.tables["twin"]["cloud"]).partition("/")
    building = builder(recipes, runner, progress)
    building.provide([artefact])
    return building.folder(artefact) / file
