"""Source code with highlighting as classes, so that one page suits light and dark."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from ipython_pygments_lexers import IPython3Lexer  # type: ignore[import-untyped]  # it ships no types
from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

if TYPE_CHECKING:
    from pygments.lexer import Lexer

_LONGEST = 200_000  # characters; beyond it colours cost more than they tell


def highlighted(source: str, language: str = "python") -> Markup:
    """Give the inside of a ``<pre>``: escaped, coloured where the language is known."""
    lexer = _lexer(language.lower())
    if lexer is None or len(source) > _LONGEST:
        return escape(source)
    return Markup(highlight(source, lexer, _formatter()).rstrip("\n"))  # noqa: S704 - pygments escapes


@cache
def _formatter() -> HtmlFormatter[str]:
    return HtmlFormatter(nowrap=True)


@cache
def _lexer(language: str) -> Lexer | None:
    if language in {"python", "ipython", "ipython3", "python3", "py"}:
        lexer: Lexer = IPython3Lexer(stripnl=False)
        return lexer
    try:
        return get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        return None
