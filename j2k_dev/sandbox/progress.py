"""How the sandbox tells what it is doing; the command line's own progress fits it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


class Progress(Protocol):
    """Where progress goes."""

    def step(self, title: str) -> AbstractContextManager[None]:
        """Show that something is being done (``building etcd``), and how long it took."""

    def note(self, text: str) -> None:
        """Say something worth knowing, in one sentence."""
