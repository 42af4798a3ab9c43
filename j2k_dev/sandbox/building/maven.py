"""Jars from Maven Central."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from j2k_dev.sandbox.commands import Command

if TYPE_CHECKING:
    from j2k_dev.sandbox.building.making import Making
    from j2k_dev.sandbox.building.recipes import JavaLibraries


def make_java_libraries(artefact: JavaLibraries, making: Making) -> None:
    """Fetch the jars that a pom names, and what they need, into ``libs``."""
    # Maven writes beside its pom, and the recipes' folder may be read-only.
    shutil.copyfile(making.recipes.folder / artefact.pom, making.folder / "pom.xml")
    libraries = f"-DoutputDirectory={making.folder / 'libs'}"
    with making.step(f"fetching {artefact.name} from Maven Central"):
        making.run(Command(["mvn", "-q", "-B", "dependency:copy-dependencies", libraries], folder=making.folder))
