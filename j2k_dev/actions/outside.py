"""What a notebook writes outside of its folder: it reaches the originals, whoever runs the notebook, and each time."""

from __future__ import annotations

import os
import re
import tempfile
from typing import TYPE_CHECKING

from j2k_dev.report.units import cell_name

if TYPE_CHECKING:
    from pathlib import Path

    from j2k_dev.model.recording import Recording

_MOST_NAMED = 3
_RANDOM = re.compile(r"tmp[a-z0-9_]{8}(\W.*)?")  # as tempfile names what it makes


def outside_notes(recording: Recording, work: Path) -> tuple[str, ...]:
    """Name the files that cells wrote or removed outside; ``work`` is the folder that copies are laid out in.

    What has a random name of ``tempfile`` is left out.
    """
    found = {path: cell for path, cell in _touched(recording) if _is_outside(path, os.path.realpath(work))}
    if not found:
        return ()
    named = [f"{path} ({cell_name(cell)})" for path, cell in list(found.items())[:_MOST_NAMED]]
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    again = "it" if len(found) == 1 else "them"
    where = f"the notebook writes outside its folder: {', '.join(named)}{more}"
    return (f"{where}: not isolated, each run writes {again} again",)


def _touched(recording: Recording) -> list[tuple[str, int]]:
    """Return where each absolute path leads to (a link to a sibling of the folder, to that), with its first cell."""
    uses = [(use, cell.index) for cell in recording.cells for use in cell.files if use.kind != "read"]
    touched = {os.path.realpath(use.path): index for use, index in reversed(uses) if use.path.startswith("/")}
    return list(reversed(touched.items()))


def _is_outside(path: str, work: str) -> bool:
    return not path.startswith(work + "/") and not _is_temporary(path)


def _is_temporary(path: str) -> bool:
    folder = os.path.realpath(tempfile.gettempdir()) + "/"
    return path.startswith(folder) and _RANDOM.fullmatch(path.removeprefix(folder)) is not None
