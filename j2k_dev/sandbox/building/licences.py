"""The licences of what goes into the images, as the page docs/licences-of-images.md: ``python -m`` this prints it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from j2k_dev.sandbox.building.recipes import load_recipes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from j2k_dev.sandbox.building.recipes import Recipes

_HEAD = """\
# Licences of what goes into the sandbox's images
`j2k sandbox up --images packages` builds its images on your machine from the packages below, and `j2k build --package
pip` what its images stand on; j2k ships none of them.
This page is made from `sandbox/recipes.toml` by `python -m j2k_dev.sandbox.building.licences`.
A path is below `sandbox/`.
"""


def licences_page(recipes: Recipes) -> str:
    """Write the page: one table for each image and base, for the programs that stay here, and for the twin."""
    images = {f"The image {role}": [name] for role, name in recipes.tables["packages"].items() if role != "kubernetes"}
    tools = [str(tool).partition("/")[0] for tool in recipes.tables["tools"].values()]
    bases = {f"The base with Python {minor}": [name] for minor, name in recipes.tables["bases"].items()}
    twin = [str(program).partition("/")[0] for program in recipes.tables["twin"].values()]
    tables = {**images, **bases, "Programs for this machine": tools, "The twin's cloud": twin}
    return _HEAD + "".join(f"\n## {title}\n{_table(recipes, names)}" for title, names in tables.items())


def _table(recipes: Recipes, names: list[str]) -> str:
    rows = dict.fromkeys(_rows(recipes, names))
    return "| what | licence | where |\n| --- | --- | --- |\n" + "".join(f"{row}\n" for row in rows)


def _rows(recipes: Recipes, names: list[str]) -> Iterator[str]:
    for name in recipes.order(names):
        for what, licence, where in recipes.artefacts[name].licences:
            yield f"| {what} | {licence} | {where if where.startswith('https:') else f'`{where}`'} |"


if __name__ == "__main__":
    sys.stdout.write(licences_page(load_recipes()))
