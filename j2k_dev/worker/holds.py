"""Holding a run at a point, for scenarios: whoever wants that puts a file beside the run, and takes it away again.

Points are the events that workers tell. A worker that tells one for which there is a file says ``held``, and waits
until the file is gone: so it is exactly there when something is done to it. A run that nobody holds pays for looking.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

# A scenario that was killed leaves its files: then the run goes on by itself.
MOST_SECONDS = 60.0
_LOOK_SECONDS = 0.01


def hold_file(folder: Path, stage: str, event: str, cell: int | None = None) -> Path:
    """Name the file that holds a stage's worker where it tells an event, of one cell where that is given."""
    return folder / ".".join([stage, event, *([] if cell is None else [str(cell)])])


def hold(
    folder: Path, stage: str, event: str, detail: Mapping[str, Any], say: Callable[[str, dict[str, Any]], None]
) -> None:
    """Wait for as long as there is a file for this event, after saying so."""
    file = hold_file(folder, stage, event, detail.get("cell"))
    if not file.exists():
        return
    say("held", {"at": event, **({"cell": detail["cell"]} if "cell" in detail else {})})
    deadline = time.monotonic() + MOST_SECONDS
    while file.exists() and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)  # the exchange may be a network share, which tells nobody of changes
