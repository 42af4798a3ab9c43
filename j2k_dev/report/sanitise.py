"""Foreign HTML cut down to what can do no harm on the report's own page: an allow-list, built on html.parser.

The page's content security policy is the second fence. HTML that loses something here is shown in a sandboxed frame
instead (see frames.py), so nothing a notebook shows is lost, and nothing of it reaches the page.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from html.parser import HTMLParser


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TAGS = _words(
    "a abbr audio b bdi bdo blockquote br caption center cite code col colgroup data dd del details dfn div dl dt em "
    "figcaption figure font h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p picture pre q rp rt ruby s samp section "
    "small source span strike strong sub summary sup table tbody td tfoot th thead time tr tt u ul var video wbr"
)
_VOID = _words("br col hr img source wbr")
_SWALLOWED = _words("script style template noscript iframe object embed svg math textarea select title")
_ATTRIBUTES = _words(
    "abbr align alt bgcolor border cellpadding cellspacing color cols colspan controls datetime dir face halign height "
    "lang loop muted open role rows rowspan scope size span start title type valign value width"
)
_HARMLESS_LOSSES = frozenset({"class", "name", "tabindex", "rel", "target", "style scoped", "html", "body"})
# Classes of pygments and of our own Markdown; the page's layout uses none so short.
_CLASS = re.compile(r"dataframe|math|[a-z][a-z0-9]{0,2}")
_ANCHOR = "nb-"  # before every id of the notebook's, so that it can't take one of the page's
_LINK = re.compile(r"(?:https?:|mailto:|#|(?![a-z][a-z0-9+.-]*:)[^/\\]|\.{0,2}/(?![/\\]))", re.IGNORECASE)
_DATA = re.compile(r"data:(?:image|audio|video)/[\w.+-]+[;,]", re.IGNORECASE)
_STYLE_NAME = re.compile(
    r"(?:color|background(?:-color)?|font(?:-[a-z]+)?|text-(?:align|decoration|transform|indent|overflow)|line-height"
    r"|(?:max-|min-)?(?:width|height)|(?:margin|padding)(?:-[a-z]+)?|border(?:-[a-z-]+)?|vertical-align|white-space"
    r"|display|flex(?:-[a-z]+)?|align-[a-z]+|justify-[a-z]+|gap|float|clear|overflow(?:-[xy])?|opacity|letter-spacing"
    r"|list-style(?:-type)?|word-(?:break|wrap)|overflow-wrap|table-layout|caption-side)"
)
_STYLE_VALUE = re.compile(r"[\w\s.,#%()+*/'\"!-]*")


@dataclass(frozen=True)
class Clean:
    """Safe HTML, and the names of what was taken out (attributes, tags) that would change how it looks or works."""

    html: str
    lost: frozenset[str]


def sanitise(html: str) -> Clean:
    """Keep what is on the allow-list, escape text, close what was left open."""
    parser = _Sanitiser()
    parser.feed(html)
    parser.close()
    return Clean(parser.result(), frozenset(parser.lost))


def safe_link(address: str) -> bool:
    """Say whether a link may stay: web, mail, a place on the page or a relative path, never a script."""
    return _LINK.match(re.sub(r"[\x00-\x20]", "", address)) is not None


def safe_media(address: str) -> bool:
    """Say whether an image or sound is inside the page itself, so that nothing is fetched."""
    return _DATA.match(address.strip()) is not None


def _kept(tag: str, name: str, value: str) -> str | None:
    if name in _ATTRIBUTES:
        return value
    if name == "class":
        return " ".join(filter(_CLASS.fullmatch, value.split()))
    if name == "id":
        return _ANCHOR + value
    if name == "href" and tag == "a" and safe_link(value):
        return f"#{_ANCHOR}{value[1:]}" if value.startswith("#") else value
    if name == "src" and tag in {"img", "audio", "video", "source"} and safe_media(value):
        return value
    return None


class _Sanitiser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lost: set[str] = set()
        self._out: list[str] = []
        self._open: list[str] = []
        self._inside: list[str] = []

    def result(self) -> str:
        self._out.extend(f"</{tag}>" for tag in reversed(self._open))
        self._open.clear()
        return "".join(self._out)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._inside or tag in _SWALLOWED:
            self._swallow(tag, attrs)
        elif tag == "img" and not safe_media(dict(attrs).get("src") or ""):
            self._leave_out_image(dict(attrs))
        elif tag in _TAGS:
            self._out.append(f"<{tag}{self._attributes(tag, attrs)}>")
            if tag not in _VOID:
                self._open.append(tag)
        else:
            self._lose(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._inside:
            if tag == self._inside[-1]:
                self._inside.pop()
        elif tag in self._open:
            # What was opened inside and never closed ends here too: the page's own structure stays whole.
            while (last := self._open.pop()) != tag:
                self._out.append(f"</{last}>")
            self._out.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self._out.append(escape(data, quote=False))

    def _swallow(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if not self._inside:
            self._lose("style scoped" if tag == "style" and "scoped" in dict(attrs) else tag)
        if tag not in _VOID and (not self._inside or tag == self._inside[-1]):
            self._inside.append(tag)

    def _leave_out_image(self, attrs: dict[str, str | None]) -> None:
        self._lose("img src")
        self._out.append(f"<i>[image: {escape(attrs.get('alt') or attrs.get('src') or 'no source')}]</i>")

    def _attributes(self, tag: str, attrs: list[tuple[str, str | None]]) -> str:
        kept = {name: text for name, value in attrs if (text := self._attribute(tag, name, value or "")) is not None}
        if tag == "a" and "href" in kept:
            kept["rel"] = "noopener noreferrer"
        return "".join(f' {name}="{escape(text)}"' for name, text in kept.items())

    def _attribute(self, tag: str, name: str, value: str) -> str | None:
        if name == "style":
            return self._style(value)
        kept = _kept(tag, name, value)
        if kept is None:
            self._lose(f"{tag} {name}" if name in {"href", "src"} else name)
        return kept

    def _style(self, value: str) -> str | None:
        kept = []
        for declaration in filter(str.strip, value.split(";")):
            name, _, text = declaration.partition(":")
            if _STYLE_NAME.fullmatch(name.strip().lower()) and self._plain_value(text):
                kept.append(f"{name.strip().lower()}:{text.strip()}")
            else:
                self._lose("style")
        return ";".join(kept) or None

    @staticmethod
    def _plain_value(text: str) -> bool:
        lower = text.lower()
        return _STYLE_VALUE.fullmatch(text) is not None and not any(
            bad in lower for bad in ("url", "/*", "expression", "image")
        )

    def _lose(self, name: str) -> None:
        if name not in _HARMLESS_LOSSES:
            self.lost.add(name)
