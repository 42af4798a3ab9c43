"""Building what is missing: each artefact once, inputs first, two at a time, after a look at programs and disk."""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from graphlib import TopologicalSorter
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
from j2k_dev.sandbox.progress import SideBySide

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from j2k_dev.sandbox.building.recipes import Recipes
    from j2k_dev.sandbox.commands import Runner
    from j2k_dev.sandbox.progress import Progress

# Compilers take all cores by themselves; linkers, downloads and installers leave most of them idle.
_AT_ONCE = 2


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
        if len(missing) > 1:
            with self.progress.step(f"building {len(missing)} parts of the sandbox's images"):
                self._provide_all(missing, SideBySide(self.progress))
        else:
            self._provide_all(missing, self.progress)

    def _provide_all(self, names: Sequence[str], progress: Progress) -> None:
        """Build the artefacts; whatever fails or interrupts one, the other is stopped, with its programs."""
        order, stop = self._order(names), threading.Event()
        running: dict[Future[None], str] = {}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            try:
                while order.is_active():
                    for name in sorted(order.get_ready(), key=self._seconds, reverse=True):
                        running[pool.submit(self._provide, name, progress, stop)] = name
                    for done in wait(running, return_when=FIRST_COMPLETED).done:
                        done.result()
                        order.done(running.pop(done))
            except BaseException:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _order(self, names: Sequence[str]) -> TopologicalSorter[str]:
        """Say what has to wait for what: artefacts for their inputs, and for others that share something with them."""
        order: TopologicalSorter[str] = TopologicalSorter()
        before: dict[str, str] = {}
        for name in names:
            artefact = self.recipes.artefacts[name]
            order.add(name, *(each for each in artefact.inputs if each in names))
            if artefact.shares in before:
                order.add(name, before[artefact.shares])
            if artefact.shares:
                before[artefact.shares] = name
        order.prepare()
        return order

    def _seconds(self, name: str) -> float:
        return self.recipes.artefacts[name].seconds

    def _provide(self, name: str, progress: Progress, stop: threading.Event) -> None:
        key = self.recipes.keys[name]
        with self.store.locked(name, progress, stop):
            if self.store.has(name, key):
                return
            artefact = self.recipes.artefacts[name]
            with self.store.building(name, key) as folder:
                _make(Making(artefact, folder, self.recipes, self.store, self.runner, progress, stop))


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
