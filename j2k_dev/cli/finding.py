"""What ``j2k doctor`` says of one thing that it looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from j2k_dev.model.errors import J2kError

if TYPE_CHECKING:
    from collections.abc import Callable

State = Literal["ok", "missing", "absent"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: ``missing`` is needed by the local engine, ``absent`` is not."""

    name: str
    state: State
    told: str
    way_out: str = ""


def tried(name: str, otherwise: State, check: Callable[[], str]) -> Finding:
    """Tell what a check says, or the error that it raises."""
    try:
        return Finding(name, "ok", check())
    except J2kError as error:
        return Finding(name, otherwise, error.message, error.way_out)
