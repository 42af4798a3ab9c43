"""Waiting for something that a fault brings about."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_LOOK_SECONDS = 0.02


def within(seconds: float, true: Callable[[], bool]) -> bool:
    """Look again and again until it is true; False if it is not in so many seconds."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_SECONDS)  # what is looked at (processes, pods, files) tells nobody of changes
    return True
