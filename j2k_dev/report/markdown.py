"""Markdown cells as HTML: CommonMark with tables, mathematics left as its source, raw HTML sanitised."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markupsafe import Markup

from j2k_dev.report.code import highlighted
from j2k_dev.report.sanitise import safe_media, sanitise

if TYPE_CHECKING:
    from markdown_it.renderer import RendererHTML
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

_ENVIRONMENT = re.compile(r"\\begin\{([A-Za-z]+\*?)\}")
_INLINE_MATH = re.compile(r"\$\$.+?\$\$|\$(?![\s\d]*\$)[^$\n]*[^$\s\\]\$(?!\d)|\$\S\$(?!\d)", re.DOTALL)
_FENCED_MATH = re.compile(r"\\\\?\((.+?)\\\\?\)|\\\\?\[(.+?)\\\\?\]", re.DOTALL)


def markdown_html(source: str, attachments: Mapping[str, Any] | None = None) -> Markup:
    """Render a Markdown cell; ``attachments`` are the cell's own images, as nbformat keeps them."""
    rendered = _parser().render(source, {"attachments": attachments or {}})
    return Markup(sanitise(rendered).html)  # noqa: S704 - just sanitised


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": True, "highlight": _highlight, "linkify": False})
    parser.enable(["table", "strikethrough"])
    parser.block.ruler.before("fence", "math_block", _math_block, {"alt": ["paragraph", "blockquote", "list"]})
    parser.inline.ruler.before("escape", "math", _math_inline)
    parser.add_render_rule("image", _image)
    parser.add_render_rule("heading_open", _heading_open)
    parser.add_render_rule("math_block", _render_math_block)
    parser.add_render_rule("math", _render_math)
    return parser


def _highlight(code: str, language: str, _attributes: str) -> str:
    return str(highlighted(code, language)) if language else ""


def _math_inline(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 - the parser's own signature
    pattern = {"$": _INLINE_MATH, "\\": _FENCED_MATH}.get(state.src[state.pos])
    found = pattern.match(state.src, state.pos, state.posMax) if pattern else None
    if found is None:
        return False
    if not silent:
        state.push("math", "", 0).content = found[0]
    state.pos = found.end()
    return True


def _math_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001 - the parser's own
    closing = _closing(_line(state, start).strip())
    if closing is None:
        return False
    last = next((n for n in range(start, end) if _closes(_line(state, n).strip(), closing, first=n == start)), None)
    if last is None:
        return False
    if not silent:
        token = state.push("math_block", "", 0)
        token.content = state.getLines(start, last + 1, state.tShift[start], keepLastLF=False)
        token.map = [start, last + 1]
    state.line = last + 1
    return True


def _line(state: StateBlock, number: int) -> str:
    return state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]]


def _closing(first: str) -> str | None:
    if first.startswith("$$"):
        return "$$"
    found = _ENVIRONMENT.match(first)
    return f"\\end{{{found[1]}}}" if found else None


def _closes(line: str, closing: str, *, first: bool) -> bool:
    rest = line.removeprefix("$$") if first and closing == "$$" else line
    return rest.endswith(closing)


def _render_math(_renderer: RendererHTML, tokens: Sequence[Token], index: int, *_: Any) -> str:
    return f'<code class="math">{escapeHtml(tokens[index].content)}</code>'


def _render_math_block(_renderer: RendererHTML, tokens: Sequence[Token], index: int, *_: Any) -> str:
    return f'<pre class="math">{escapeHtml(tokens[index].content)}</pre>\n'


def _heading_open(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    # Jupyter's anchors: the heading's own words, joined by hyphens.
    tokens[index].attrSet("id", tokens[index + 1].content.strip().replace(" ", "-"))
    return renderer.renderToken(tokens, index, options, env)


def _image(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    token = tokens[index]
    text = renderer.renderInlineAsText(token.children, options, env)
    source = _attached(str(token.attrGet("src") or ""), env["attachments"])
    if safe_media(source):
        return f'<img src="{escapeHtml(source)}" alt="{escapeHtml(text)}">'
    # The page fetches nothing, so a picture that lies elsewhere becomes a link to it.
    return f'<a href="{escapeHtml(source)}">image: {escapeHtml(text or source)}</a>'


def _attached(source: str, attachments: Mapping[str, Any]) -> str:
    bundle = attachments.get(source.removeprefix("attachment:")) if source.startswith("attachment:") else None
    if not isinstance(bundle, Mapping):
        return source
    kind, data = next(iter(bundle.items()), ("", ""))
    text = "".join(data) if isinstance(data, list) else str(data)
    if kind == "image/svg+xml" and text.lstrip().startswith("<"):
        text = base64.b64encode(text.encode()).decode()
    return f"data:{kind};base64,{text.strip()}"
