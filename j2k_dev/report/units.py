"""Sizes, times and cell numbers as people read them; one place, so that the page and the terminal say the same."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SIZES = ("B", "KB", "MB", "GB", "TB", "PB")
_THOUSAND = 1000
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def human_bytes(count: float) -> str:
    """Say a size in decimal units with two or three digits: ``0 B``, ``999 B``, ``1.5 MB``, ``340 GB``."""
    size = float(count)
    for unit in _SIZES:
        text = _digits(size) if unit != "B" else f"{size:.0f}"
        if float(text) < _THOUSAND or unit == _SIZES[-1]:
            return f"{text} {unit}"
        size /= _THOUSAND
    raise AssertionError("the last unit takes everything")


def human_seconds(seconds: float) -> str:
    """Say a duration: ``0 s``, ``0.4 ms``, ``340 ms``, ``2.1 s``, ``3 min 4 s``, ``2 h 5 min``, ``1 d 3 h``."""
    if seconds <= 0:
        return "0 s"
    if float(_digits(seconds * _THOUSAND)) < _THOUSAND:
        return f"{_digits(seconds * _THOUSAND)} ms"
    if float(_digits(seconds)) < _MINUTE:
        return f"{_digits(seconds)} s"
    whole = round(seconds)
    if whole < _HOUR:
        return _pair(whole, _MINUTE, "min", 1, "s")
    if whole < _DAY:
        return _pair(whole, _HOUR, "h", _MINUTE, "min")
    return _pair(whole, _DAY, "d", _HOUR, "h")


def human_date(epoch: float) -> str:
    """Say a moment in this machine's time zone: ``2025-03-04 14:22:09 CET``."""
    return datetime.fromtimestamp(epoch).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def cell_name(index: int) -> str:
    """Name a cell by its place in the notebook as ``run.json`` counts: from 0, Markdown cells included."""
    return f"cell {index}"


def cell_ranges(cells: Iterable[int]) -> str:
    """List cells briefly: ``cell 3``, ``cells 0-4, 7``, ``no cells``."""
    numbers = sorted(set(cells))
    if not numbers:
        return "no cells"
    word = "cell" if len(numbers) == 1 else "cells"
    return f"{word} {', '.join(_spans(numbers))}"


def plural(count: int, word: str, words: str | None = None) -> str:
    """Count things: ``1 stage``, ``3 stages``, ``2 boundaries``."""
    return f"{count:,} {word if count == 1 else words or word + 's'}"


def shortened(name: str, length: int) -> str:
    """Cut a name in its middle, so that names with the same beginning stay apart."""
    if len(name) <= length:
        return name
    tail = (length - 1) // 2
    return f"{name[: length - 1 - tail]}…{name[len(name) - tail :]}"


def _digits(value: float) -> str:
    """Write two or three significant digits, without an exponent and without a useless ``.0``."""
    text = f"{value:.1f}" if value < 9.95 else f"{value:.0f}"  # noqa: PLR2004 - from here on one decimal says nothing
    return text.removesuffix(".0")


def _pair(whole: int, big: int, big_unit: str, small: int, small_unit: str) -> str:
    rest = whole % big // small
    return f"{whole // big} {big_unit} {rest} {small_unit}" if rest else f"{whole // big} {big_unit}"


def _spans(numbers: Sequence[int]) -> list[str]:
    starts = [numbers[0], *(right for left, right in pairwise(numbers) if right > left + 1)]
    ends = [*(left for left, right in pairwise(numbers) if right > left + 1), numbers[-1]]
    return [str(start) if start == end else f"{start}-{end}" for start, end in zip(starts, ends, strict=True)]
