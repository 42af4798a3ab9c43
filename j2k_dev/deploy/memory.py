"""How much memory stages are to have, as people write it: ``--memory 2Gi`` for all, ``--memory fit=4Gi`` for one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from j2k_dev.model.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# Stands for every stage that is not named.
EVERY = ""

_SIZE = re.compile(r"(?:(?P<stage>[^=]+)=)?(?P<number>\d+(?:\.\d+)?)(?P<unit>[KMGT]i?)B?", re.IGNORECASE)
_UNITS = {
    "k": 1000,
    "m": 1000**2,
    "g": 1000**3,
    "t": 1000**4,
    "ki": 1 << 10,
    "mi": 1 << 20,
    "gi": 1 << 30,
    "ti": 1 << 40,
}
_LEAST = 64 << 20


def parse_memory(texts: Iterable[str]) -> dict[str, int]:
    """Return bytes by stage; raise BadInput naming every size that is none."""
    found = [(text, _SIZE.fullmatch(text.strip())) for text in texts]
    if wrong := [text for text, match in found if match is None or _bytes(match) < _LEAST]:
        raise BadInput(f"--memory {', '.join(wrong)}: not a size of 64Mi or more", "--memory 2Gi, --memory STAGE=512Mi")
    return {match["stage"] or EVERY: _bytes(match) for _, match in found if match}


def by_stage(memory: Mapping[str, int], stages: Sequence[str]) -> dict[str, int]:
    """Return bytes for the stages that get what was asked for; raise BadInput for stages that there are not."""
    if unknown := [name for name in memory if name not in (EVERY, *stages)]:
        raise BadInput(f"--memory: there is no stage {', '.join(unknown)}", f"there are {', '.join(stages)}")
    return {name: memory[key] for name in stages for key in (EVERY, name) if key in memory}


def _bytes(match: re.Match[str]) -> int:
    return int(float(match["number"]) * _UNITS[match["unit"].lower()])
