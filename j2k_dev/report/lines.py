"""Lines on a terminal that go on below their beginning; elsewhere each is one line, so that programs can read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from j2k_dev.report.ansi import plain_text

if TYPE_CHECKING:
    from rich.console import Console


def hanging(console: Console, lead: Text, text: str | Text, indent: int) -> None:
    """Print a text that goes on below its beginning; where nobody looks at columns, in one line."""
    whole = lead.copy().append_text(text if isinstance(text, Text) else Text(plain_text(text)))
    if not console.is_terminal:
        line(console, whole)
        return
    whole.expand_tabs(8)
    first = whole.wrap(console, console.width)[0] if whole else Text()
    left = whole[len(first) :]
    left = left[len(left) - len(left.plain.lstrip()) :]
    first.rstrip()
    console.print(first)
    for rest in left.wrap(console, console.width - indent) if left else ():
        rest.rstrip()
        console.print(Text(" " * indent).append_text(rest))


def line(console: Console, text: Text) -> None:
    """Print a text in one line, however long it is."""
    console.print(text, soft_wrap=True)
