"""Waiting for something that a fault brings about, and seeing through what must not be left half done."""

from __future__ import annotations

import contextlib
import signal
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LOOK_SECONDS = 0.02


def within(seconds: float, true: Callable[[], bool]) -> bool:
    """Look again and again until it is true; False if it is not in so many seconds."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_SECONDS)  # what is looked at (processes, pods, files) tells nobody of changes
    return True


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """See the block through, and heed Ctrl-C afterwards: who is in a hurry does not want a broken cluster either."""
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: heard.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if heard:
        raise KeyboardInterrupt
