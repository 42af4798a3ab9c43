"""What a program wrote to a terminal, as HTML: colours become classes, carriage returns and backspaces take effect."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from collections.abc import Iterator

_ESCAPE = re.compile(
    r"\x1b\[(?P<sgr>[\d;:]*)m"  # colours and weights: the only ones that have a meaning on a page
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # cursor movement and the like
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # window titles, hyperlinks
    r"|\x1b[@-Z\\-_]"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_FLAGS = {1: "bold", 2: "faint", 3: "italic", 4: "underline", 7: "inverse", 9: "strike"}
_OFF = {22: ("bold", "faint"), 23: ("italic",), 24: ("underline",), 27: ("inverse",), 29: ("strike",)}
_BASIC = 16  # colours that the page's own palette defines, so that they suit light and dark


@dataclass(frozen=True)
class _Look:
    flags: frozenset[str] = frozenset()
    fore: str | None = None
    back: str | None = None

    def open_tag(self) -> str:
        classes = [f"t-{flag}" for flag in sorted(self.flags)]
        styles = []
        for colour, prefix, css in ((self.fore, "t-f", "color"), (self.back, "t-b", "background-color")):
            if colour is not None and colour.isdigit():
                classes.append(f"{prefix}{colour}")
            elif colour is not None:
                styles.append(f"{css}:{colour}")
        style = f' style="{";".join(styles)}"' if styles else ""
        return f'<span class="{" ".join(classes)}"{style}>'


def ansi_html(text: str) -> Markup:
    """Turn terminal text into HTML that is safe to put into ``<pre>``."""
    pieces = []
    for look, chunk in _chunks(overwritten(text)):
        body = escape(_CONTROL.sub("", chunk))
        pieces.append(body if look == _Look() else Markup(f"{look.open_tag()}{body}</span>"))  # noqa: S704 - escaped
    return Markup("").join(pieces)


def strip_ansi(text: str) -> str:
    """Leave out every escape sequence."""
    return _ESCAPE.sub("", text)


def plain_text(text: str) -> str:
    """Leave out whatever a terminal would obey or could not print, line ends and tabs excepted."""
    return _CONTROL.sub("", strip_ansi(text)).replace("\r", "").encode("utf-8", "replace").decode()


def overwritten(text: str) -> str:
    """Apply carriage returns and backspaces as Jupyter does: what was overwritten is gone (progress bars)."""
    if "\r" not in text and "\b" not in text:
        return text
    return "\n".join(_last_state(_without_backspaces(line)) for line in text.replace("\r\n", "\n").split("\n"))


def _last_state(line: str) -> str:
    shown = ""
    for part in line.split("\r"):
        # Longer text stays visible behind shorter text; with escapes inside, columns can't be counted.
        keep = "" if "\x1b" in shown or "\x1b" in part else shown[len(part) :]
        shown = part + keep if part else shown
    return shown


def _without_backspaces(line: str) -> str:
    shorter = re.sub(r"[^\b\r]\x08", "", line)
    while shorter != line:
        line, shorter = shorter, re.sub(r"[^\b\r]\x08", "", shorter)
    return shorter.replace("\b", "")


def _chunks(text: str) -> Iterator[tuple[_Look, str]]:
    look, position = _Look(), 0
    for found in _ESCAPE.finditer(text):
        if found.start() > position:
            yield look, text[position : found.start()]
        position = found.end()
        if found["sgr"] is not None:
            look = _applied(look, [int(code or 0) for code in re.split("[;:]", found["sgr"])])
    if position < len(text):
        yield look, text[position:]


def _applied(look: _Look, codes: list[int]) -> _Look:
    while codes:
        code = codes.pop(0)
        if code == 0:
            look = _Look()
        elif code in _FLAGS:
            look = replace(look, flags=look.flags | {_FLAGS[code]})
        elif code in _OFF:
            look = replace(look, flags=look.flags - set(_OFF[code]))
        else:
            look = _coloured(look, code, codes)
    return look


def _coloured(look: _Look, code: int, rest: list[int]) -> _Look:
    side = "back" if code // 10 in {4, 10} else "fore"
    if code in {38, 48}:
        return _with(look, side, _extended(rest))
    if code in {39, 49}:
        return _with(look, side, None)
    if code // 10 in {3, 4} and code % 10 < 8:  # noqa: PLR2004 - the eight colours of a terminal
        return _with(look, side, str(code % 10))
    if code // 10 in {9, 10} and code % 10 < 8:  # noqa: PLR2004 - and their bright versions
        return _with(look, side, str(code % 10 + 8))
    return look


def _with(look: _Look, side: str, colour: str | None) -> _Look:
    return replace(look, back=colour) if side == "back" else replace(look, fore=colour)


def _extended(rest: list[int]) -> str | None:
    """Read ``5;N`` (256 colours) or ``2;R;G;B`` and take it off ``rest``."""
    kind = rest.pop(0) if rest else 0
    if kind == 5 and rest:  # noqa: PLR2004 - the number that announces a palette index
        return _palette(rest.pop(0))
    if kind == 2 and len(rest) >= 3:  # noqa: PLR2004 - the number that announces red, green, blue
        red, green, blue = (min(rest.pop(0), 255) for _ in range(3))
        return f"#{red:02x}{green:02x}{blue:02x}"
    return None


def _palette(number: int) -> str | None:
    if number < _BASIC:
        return str(number)
    if number < 232:  # noqa: PLR2004 - a cube of 6 x 6 x 6 colours
        steps = (0, 95, 135, 175, 215, 255)
        cube = number - _BASIC
        return f"#{steps[cube // 36]:02x}{steps[cube // 6 % 6]:02x}{steps[cube % 6]:02x}"
    if number < 256:  # noqa: PLR2004 - and 24 greys
        return "#" + f"{8 + (number - 232) * 10:02x}" * 3
    return None
