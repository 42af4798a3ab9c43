"""Short texts for people about two texts that differ: the first place that differs, and a little around it."""

from __future__ import annotations

SHORT = 400
_BEFORE = 160
_AROUND = 1000
_BLANKS = str.maketrans({" ": "·", "\t": "⇥", "\n": "⏎\n"})


def excerpts(expected: str, actual: str) -> tuple[str, str]:
    """Return what two different texts say around their first difference, at most ``SHORT`` characters each.

    Where only blanks differ there, they are made visible.
    """
    start = max(0, _first_difference(expected, actual) - _AROUND)
    texts = printable(expected[start : start + 2 * _AROUND]), printable(actual[start : start + 2 * _AROUND])
    if texts[0].split() == texts[1].split():
        texts = texts[0].translate(_BLANKS), texts[1].translate(_BLANKS)
    first = _start_of_line(texts[0], _first_difference(*texts))
    before = "…" if start or first else ""
    return _shown(before, texts[0][first:]), _shown(before, texts[1][first:])


def printable(text: str) -> str:
    """Return the text with control characters written out, so that showing it moves no cursor and sets no colour."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def clipped(text: str, length: int) -> str:
    """Return at most ``length`` characters, the last one an ellipsis if some are left out."""
    return text if len(text) <= length else text[: length - 1] + "…"


def _shown(before: str, text: str) -> str:
    return clipped(before + text, SHORT) or "(empty)"


def _first_difference(one: str, other: str) -> int:
    """Return the length of the common start, by halving: comparing slices is far faster than characters."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _start_of_line(text: str, place: int) -> int:
    """Return where to begin to show ``place``: up to two lines earlier, at most ``_BEFORE`` characters."""
    lines_before = text[max(0, place - _BEFORE) : place].split("\n")[-3:]
    return place - len("\n".join(lines_before))
