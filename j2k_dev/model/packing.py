"""A recording as JSON, small: every boundary lists all that is live, and most of it is what was live before.

Variables are written once, in a table; boundaries name them by their place in it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from j2k_dev.model.codec import CodecError, from_plain, to_plain
from j2k_dev.model.recording import Boundary, Recording, Variable


def pack(recording: Recording) -> dict[str, Any]:
    """Turn a recording into plain JSON values."""
    table: dict[Variable, int] = {}
    boundaries = [
        {**to_plain(replace(boundary, variables=())), "variables": _places(boundary, table)}
        for boundary in recording.boundaries
    ]
    packed = to_plain(replace(recording, boundaries=()))
    return {**packed, "boundaries": boundaries, "variables": to_plain(list(table))}


def unpack(plain: Any) -> Recording:
    """Build a recording from what ``pack`` made; raise CodecError where it does not fit."""
    try:
        table = [from_plain(Variable, item) for item in plain["variables"]]
        live = [tuple(table[place] for place in boundary["variables"]) for boundary in plain["boundaries"]]
    except (KeyError, TypeError, IndexError) as error:
        raise CodecError(f"no packed recording: {error!r}", "Recording") from error
    rest = {name: value for name, value in plain.items() if name not in {"variables", "boundaries"}}
    known = [from_plain(Boundary, {**boundary, "variables": []}) for boundary in plain["boundaries"]]
    filled = (replace(boundary, variables=names) for boundary, names in zip(known, live, strict=True))
    return replace(from_plain(Recording, {**rest, "boundaries": []}), boundaries=tuple(filled))


def _places(boundary: Boundary, table: dict[Variable, int]) -> list[int]:
    return [table.setdefault(variable, len(table)) for variable in boundary.variables]
