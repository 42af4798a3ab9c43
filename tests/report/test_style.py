"""The page's colours are read from its style sheet, so that a new colour that can't be read is noticed here."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

STYLE = (files("j2k_dev.report") / "templates" / "page.css").read_text(encoding="utf-8")
TEXTS = ["ink", "soft", "link", "good", "warn", "bad", "quiet", "odd"]
CODE = ["c-key", "c-str", "c-num", "c-com", "c-fun", "c-cls", "c-op", "c-mag"]
TERMINAL = [f"t{number}" for number in range(16)]
STAGES = [f"hue-{number}" for number in range(8)]


def colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))


LIGHT = colours(STYLE[: STYLE.index("prefers-color-scheme: dark")])
DARK = LIGHT | colours(STYLE[STYLE.index("prefers-color-scheme: dark") : STYLE.index("*, ::before")])


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """WCAG 2.1, contrast ratio."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["paper", "raised", "sunk"])
@pytest.mark.parametrize("name", [*TEXTS, *CODE, *TERMINAL])
def test_every_text_can_be_read_on_every_ground(scheme: dict[str, str], ground: str, name: str) -> None:
    assert contrast(scheme[name], scheme[ground]) >= 4.5


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("name", STAGES)
def test_the_names_of_stages_can_be_read_in_their_colour(scheme: dict[str, str], name: str) -> None:
    assert contrast(scheme[name], scheme["paper"]) >= 4.5


def test_marked_words_can_be_read() -> None:
    assert all(contrast(scheme["mark"], scheme["mark-ink"]) >= 4.5 for scheme in (LIGHT, DARK))
