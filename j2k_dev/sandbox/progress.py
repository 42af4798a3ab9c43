"""How the sandbox tells what it is doing; the command line's own progress fits it."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager


class Progress(Protocol):
    """Where progress goes."""

    def step(self, title: str) -> AbstractContextManager[None]:
        """Show that something is being done (``building etcd``), and how long it took."""

    def note(self, text: str) -> None:
        """Say something worth knowing, in one sentence."""


@dataclass(frozen=True)
class SideBySide:
    """Progress of several things at a time inside one step: a note when each begins, and when it has ended."""

    progress: Progress

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Say when it begins, and how long it took."""
        self.note(title)
        started = time.monotonic()
        yield
        self.note(f"{title}: done in {time.monotonic() - started:.0f} s")

    def note(self, text: str) -> None:
        """Pass it on."""
        self.progress.note(text)
