"""The page of licences is what the recipes say."""

from pathlib import Path

import j2k_dev
from j2k_dev.sandbox.building.licences import licences_page
from j2k_dev.sandbox.building.recipes import ContainerImage, load_recipes

PAGE = Path(j2k_dev.__file__).parent.parent / "docs" / "licences-of-images.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == licences_page(load_recipes()), "python -m j2k_dev.sandbox.building.licences > " + str(
        PAGE
    )


def test_everything_that_is_fetched_has_a_licence() -> None:
    artefacts = load_recipes().artefacts.values()
    assert [each.name for each in artefacts if not isinstance(each, ContainerImage) and not each.licences] == []
