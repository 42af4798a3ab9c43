"""The logs of a run on a cluster: kept beside its results when it ends, and followed while it goes on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from j2k_dev.deploy.deployer import selector
from j2k_dev.deploy.logs import collect, follow
from j2k_dev.engine.workspace import write_text
from j2k_dev.model.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from j2k_dev.actions.cluster.record import Placed
    from j2k_dev.deploy.trouble import PodView
    from j2k_dev.engine.workspace import RunPaths


def keep_logs(paths: RunPaths, placed: Placed, pods: Iterable[PodView]) -> None:
    """Write what the pods wrote since the run began, a file per stage."""
    texts = collect(placed.calls, placed.namespace, selector(placed.pipeline), pods, _began(paths))
    for stage, name in placed.stages.items():
        if text := texts.get(name):
            write_text(paths.logs / f"{stage}.log", text)


def follow_logs(
    paths: RunPaths, placed: Placed, stage: str | None, write: Callable[[str], None], over: Callable[[], bool]
) -> None:
    """Write the lines of a stage's pods, or of all with the stage's name before, as they come."""
    names = {name: stage for stage, name in placed.stages.items()}
    if stage is not None and stage not in placed.stages:
        raise BadInput(f"there is no stage {stage}", f"there are {', '.join(placed.stages)}")
    chosen = selector(placed.pipeline) + (f",j2k.dev/stage={placed.stages[stage]}" if stage else "")

    def pass_on(name: str, line: str) -> None:
        write(line if stage else f"{names.get(name, name)}: {line}")

    follow(placed.calls, placed.namespace, chosen, _began(paths), pass_on, over)


def _began(paths: RunPaths) -> float:
    """Return when a run began: when its folder got its request, which nobody writes again."""
    request = paths.root / "request.json"
    return request.stat().st_mtime if request.exists() else time.time()
