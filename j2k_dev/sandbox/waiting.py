"""Waiting for a condition with a deadline; a deadline that passes is a failure."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from j2k_dev.model.errors import MachineryFailed

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

_ANSWER_SECONDS = 5.0


def wait_until(
    condition: Callable[[], bool],
    seconds: float,
    failure: Callable[[], MachineryFailed],
    stop: threading.Event,
    poll: float = 0.1,
) -> None:
    """Return once ``condition`` holds; raise ``failure()`` after ``seconds``, and at once when ``stop`` is set."""
    deadline = time.monotonic() + seconds
    while not condition():
        if stop.is_set():
            raise MachineryFailed("stopped while waiting", "run the same command again")
        if time.monotonic() >= deadline:
            raise failure()
        stop.wait(poll)


def wait_for_answer(url: str, seconds: float, who: str, container: str, stop: threading.Event) -> None:
    """Wait until somebody answers at ``url``; ``who`` runs in ``container``."""

    def silent() -> MachineryFailed:
        told = f"the {who} did not answer at {url} within {seconds:g} seconds"
        return MachineryFailed(told, f"see what it says: docker logs {container}")

    wait_until(lambda: answers(url), seconds, silent, stop)


def answers(url: str) -> bool:
    """Ask whether somebody answers at ``url``."""
    # Never through a proxy that the environment names: who is asked is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_ANSWER_SECONDS):
            return True
    except (urllib.error.URLError, http.client.HTTPException, OSError):
        return False
