"""Building what is missing: each artefact once, inputs first, after a look at programs and disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from j2k_dev.engine.support import cache_folder
from j2k_dev.sandbox.building.artefacts import ArtefactStore
from j2k_dev.sandbox.building.container_image import make_container_image
from j2k_dev.sandbox.building.debian import make_root_filesystem
from j2k_dev.sandbox.building.go import make_go_programs
from j2k_dev.sandbox.building.making import Making
from j2k_dev.sandbox.building.maven import make_java_libraries
from j2k_dev.sandbox.building.programs import check_programs, check_room
from j2k_dev.sandbox.building.recipes import ContainerImage, GoPrograms, JavaLibraries, RootFilesystem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from j2k_dev.sandbox.building.recipes import Recipes
    from j2k_dev.sandbox.commands import Runner
    from j2k_dev.sandbox.progress import Progress


@dataclass(frozen=True)
class Builder:
    """Builds artefacts of the recipes into a store."""

    recipes: Recipes
    store: ArtefactStore
    runner: Runner
    progress: Progress

    def folder(self, name: str) -> Path:
        """Name the folder of an artefact, built or not."""
        return self.store.folder(name, self.recipes.keys[name])

    def missing(self, names: Iterable[str]) -> tuple[str, ...]:
        """Name what has to be built for these artefacts, inputs first; inputs of what is there are not asked for."""
        found: dict[str, None] = {}
        for name in names:
            if not self.store.has(name, self.recipes.keys[name]):
                found |= dict.fromkeys((*self.missing(self.recipes.artefacts[name].inputs), name))
        return tuple(found)

    def provide(self, names: Sequence[str]) -> None:
        """Build what is missing of these artefacts.

        Raises MachineryFailed when a program, root, or room on the disk is missing, and when a build fails.
        """
        missing = self.missing(names)
        artefacts = [self.recipes.artefacts[name] for name in missing]
        check_programs(artefacts, self.recipes, self.runner)
        check_room(artefacts, self.store.root)
        for name in missing:
            self._provide(name)

    def _provide(self, name: str) -> None:
        key = self.recipes.keys[name]
        with self.store.locked(name, self.progress):
            if self.store.has(name, key):
                return
            artefact = self.recipes.artefacts[name]
            with self.store.building(name, key) as folder:
                _make(Making(artefact, folder, self.recipes, self.store, self.runner, self.progress))


def builder(recipes: Recipes, runner: Runner, progress: Progress) -> Builder:
    """Give a builder that keeps what it builds in the user's cache."""
    return Builder(recipes, ArtefactStore(cache_folder() / "sandbox"), runner, progress)


def _make(making: Making) -> None:
    artefact = making.artefact
    match artefact:
        case GoPrograms():
            make_go_programs(artefact, making)
        case JavaLibraries():
            make_java_libraries(artefact, making)
        case RootFilesystem():
            make_root_filesystem(artefact, making)
        case ContainerImage():
            make_container_image(artefact, making)
        case _:
            assert_never(artefact)
