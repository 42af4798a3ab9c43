"""The recipes: complete, pinned, and keyed by content."""

import shutil
from pathlib import Path

import pytest

from j2k_dev.sandbox.building.recipes import ContainerImage, GoPrograms, Recipes, load_recipes


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(load_recipes().folder, tmp_path / "sandbox"))


def changed_keys(before: Recipes, after: Recipes) -> set[str]:
    return {name for name, key in before.keys.items() if after.keys[name] != key}


def replace_in(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_every_file_and_artefact_that_a_recipe_names_is_there() -> None:
    recipes = load_recipes()
    for artefact in recipes.artefacts.values():
        assert set(artefact.inputs) <= set(recipes.artefacts)
        assert all((recipes.folder / file).exists() for file in artefact.data)
        assert set(artefact.programs_needed) <= set(recipes.tables["programs"])


def test_every_go_module_is_pinned_by_checksums_where_it_needs_others() -> None:
    recipes = load_recipes()
    modules = {artefact.module for artefact in recipes.artefacts.values() if isinstance(artefact, GoPrograms)}
    for module in modules - {"pause"}:
        sums = (recipes.folder / "go" / module / "go.sum").read_text().splitlines()
        assert all(" h1:" in line for line in sums)
        assert sums


def test_the_four_images_of_a_sandbox_are_recipes_for_images() -> None:
    recipes = load_recipes()
    for role in ("node", "registry", "kafka", "proxy"):
        name = recipes.tables["packages"][role]
        assert isinstance(recipes.artefacts[name], ContainerImage)
        assert recipes.reference(role) == f"j2k.local/{name}:{recipes.keys[name][:12]}"


def test_the_public_node_image_is_pinned_by_digest() -> None:
    assert "@sha256:" in load_recipes().tables["registry"]["node"]


def test_the_same_content_has_the_same_keys_wherever_it_lies(copied: Path) -> None:
    assert load_recipes(copied).keys == load_recipes().keys


def test_a_changed_data_file_changes_its_artefact_and_what_is_made_of_it(copied: Path) -> None:
    (copied / "registry" / "config.yml").write_text("version: 0.1\n")
    assert changed_keys(load_recipes(), load_recipes(copied)) == {"registry"}


def test_a_changed_checksum_of_a_go_module_changes_all_that_is_made_of_it(copied: Path) -> None:
    (copied / "go" / "etcd" / "go.sum").write_text("")
    assert changed_keys(load_recipes(), load_recipes(copied)) == {"etcd", "etcd-image", "node"}


def test_a_changed_recipe_changes_its_key(copied: Path) -> None:
    replace_in(copied / "recipes.toml", '"openjdk-17-jre-headless"', '"openjdk-17-jre"')
    assert changed_keys(load_recipes(), load_recipes(copied)) == {"java-root", "kafka"}


def test_what_is_only_told_changes_no_key(copied: Path) -> None:
    replace_in(copied / "recipes.toml", "seconds = 302", "seconds = 400")
    assert changed_keys(load_recipes(), load_recipes(copied)) == set()


def test_inputs_come_first() -> None:
    order = load_recipes().order(["node"])
    assert order[-1] == "node"
    assert order.index("etcd") < order.index("etcd-image")
    assert len(order) == len(set(order))
