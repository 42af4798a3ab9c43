"""Consoles that keep what is printed: a terminal of 80 columns, or a pipe."""

from __future__ import annotations

import io

from rich.console import Console


def console(*, terminal: bool, height: int = 30) -> Console:
    """Make one."""
    return Console(file=io.StringIO(), width=80, height=height, force_terminal=terminal, color_system=None)


def text_of(console: Console) -> str:
    """Return what was printed."""
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
