"""What a builder of one artefact works with: where to, from what, how to run programs and how to tell of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from j2k_dev.model.errors import MachineryFailed

if TYPE_CHECKING:
    import threading
    from contextlib import AbstractContextManager
    from pathlib import Path

    from j2k_dev.sandbox.building.artefacts import ArtefactStore
    from j2k_dev.sandbox.building.recipes import Artefact, Recipes
    from j2k_dev.sandbox.commands import Command, Runner
    from j2k_dev.sandbox.progress import Progress

_WAY_OUT = "run the same j2k command again: it goes on where it stopped; if it fails again, paste the command below"


@dataclass(frozen=True)
class Making:
    """The making of one artefact in ``folder``; once ``stop`` is set, its programs end."""

    artefact: Artefact
    folder: Path
    recipes: Recipes
    store: ArtefactStore
    runner: Runner
    progress: Progress
    stop: threading.Event

    @property
    def downloads(self) -> Path:
        """Name the folder for packages that were fetched, so that a build that goes on does not fetch them again."""
        return self.store.root / "downloads"

    def source(self, name: str) -> Path:
        """Find ``ARTEFACT/FILE`` among the artefacts, or ``./FILE`` beside the recipes."""
        first, _, file = name.partition("/")
        return (self.recipes.folder if first == "." else self.store.folder(first, self.recipes.keys[first])) / file

    def run(self, command: Command) -> str:
        """Run a program and keep what it says in the artefact's log."""
        name = self.artefact.name
        try:
            return self.runner.run(replace(command, log=self.store.log(name), stop=self.stop), _WAY_OUT)
        except MachineryFailed as error:
            raise MachineryFailed(f"building {name} failed: {error.message}", error.way_out, error.detail) from error

    def step(self, title: str, of: int = 1) -> AbstractContextManager[None]:
        """Show a step of the making, one of several."""
        expected = f"about {self.artefact.seconds:.0f} s{f' for all {of}' if of > 1 else ''}"
        return self.store.timed(title, expected, self.progress)
