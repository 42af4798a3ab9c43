"""Which engine runs the stages where that is left to us: Kubernetes if a Docker engine answers, else this machine.

Images that would have to be built first, for a quarter of an hour, are nobody's wish: that is left to j2k sandbox up.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Literal, cast

from j2k_dev.sandbox.commands import SystemRunner
from j2k_dev.sandbox.docker_engine.ping import answers_at
from j2k_dev.sandbox.model import Sandbox

if TYPE_CHECKING:
    from j2k_dev.actions.ui import Ui
    from j2k_dev.engine.workspace import Workspace

Engine = Literal["local", "kind"]
ENGINES = ("auto", "local", "kind")


def choose_engine(asked: str, language: str, workspace: Workspace, ui: Ui) -> Engine:
    """Return the engine that was asked for; where none was, choose, and say which and why."""
    if asked != "auto":
        return cast("Engine", asked)
    if language != "python":
        return "local"  # its plan says so
    where = answers_at()
    if not where:
        ui.note("in processes on this machine, as no Docker engine answers (j2k doctor says how to have one)")
        return "local"
    if not Sandbox(workspace.root).state.exists() and not _images_at_hand(ui):
        told = "a Docker engine answers, but no container registry, and the sandbox's images were not built yet"
        ui.note(f"in processes on this machine: {told} (j2k sandbox up does that once)")
        return "local"
    ui.note(f"on Kubernetes, as a Docker engine answers at {where} (--engine local: processes on this machine)")
    return "kind"


def _images_at_hand(ui: Ui) -> bool:
    from j2k_dev.sandbox.docker_engine.engine import connect  # noqa: PLC0415 - takes its time to import
    from j2k_dev.sandbox.images import images_at_hand  # noqa: PLC0415 - see above

    with contextlib.closing(connect()) as client:
        return images_at_hand(client, SystemRunner(), ui)
