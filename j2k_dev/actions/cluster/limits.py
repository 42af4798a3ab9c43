"""Notebooks that can't run in pods, refused by name before anything is deployed: what they read would not be there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from j2k_dev.model.errors import Refused
from j2k_dev.packaging.files import ELSEWHERE, is_below
from j2k_dev.report.units import cell_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from j2k_dev.actions.context import Context
    from j2k_dev.actions.images.build import Built

_WAY_OUT = "put it into the notebook's folder, or use --engine local"
_MOST_NAMED = 3


def refuse_what_pods_lack(context: Context) -> None:
    """Refuse other kernels, inputs that stay where they are, and what is read beside the notebook's folder."""
    if context.foreign_kernel:
        raise Refused("a notebook whose kernel is not Python runs on this machine only", "use --engine local")
    if context.inputs.originals:
        first = context.inputs.originals[0]
        raise Refused(f"{first} is too large to be copied, and pods can't see it", "use --engine local")
    work = str(context.inputs.work)
    around = str(context.inputs.work.parent.parent)
    _refuse({path: cell for path, cell in _read(context) if is_below(path, around) and not is_below(path, work)})


def refuse_what_images_lack(context: Context, built: Built) -> None:
    """Refuse what cells read elsewhere on this machine that is not in their image either."""
    missing = {path for path, reason in built.left_out.items() if reason == ELSEWHERE}
    _refuse({path: cell for path, cell in _read(context) if path in missing})


def _refuse(read: dict[str, int]) -> None:
    if read:
        named = [f"{path} ({cell_name(cell)})" for path, cell in list(read.items())[:_MOST_NAMED]]
        more = f" and {len(read) - _MOST_NAMED} more" if len(read) > _MOST_NAMED else ""
        told = f"the notebook reads outside its folder, where pods can't: {', '.join(named)}{more}"
        raise Refused(told, _WAY_OUT)


def _read(context: Context) -> Iterator[tuple[str, int]]:
    """Give the absolute paths that cells read, with the cell."""
    assert context.recording is not None
    for cell in context.recording.cells:
        yield from ((use.path, cell.index) for use in cell.files if use.kind == "read" and use.path.startswith("/"))
