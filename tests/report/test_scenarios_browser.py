"""The page of scenarios in a real browser: it loads without a sound, and works without a script."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from j2k_dev.report.scenarios import write_scenarios
from tests.report import scenario_results as made
from tests.report.chromium import press

if TYPE_CHECKING:
    from pathlib import Path

    from tests.report.chromium import Chromium

pytestmark = pytest.mark.browser

UNFOLD = "[...document.querySelectorAll('details')].forEach(each => each.open = true), 1"
OPENED = "[...document.querySelectorAll('details.scenario')].filter(each => each.open).map(each => each.id)"
SHOWN = "[...document.querySelectorAll('#scenario-1 .history tbody tr')].filter(row => row.offsetHeight).length"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    write_scenarios(made.all_kinds(), made.not_run(), tmp_path / "scenarios.html")
    return tmp_path / "scenarios.html"


def test_it_loads_without_errors_and_without_network(browser: Chromium, page: Path) -> None:
    browser.open(page)
    browser.value(UNFOLD)
    text = browser.value("document.body.innerText")
    assert browser.console() == []
    assert browser.asked_for() == set()
    assert "2 of 6 survived" in text
    assert "No proof that it happened." in text
    assert "<script>alert(1)</script>" in text


def test_hostile_text_stays_text(browser: Chromium, tmp_path: Path) -> None:
    write_scenarios((made.hostile(),), (), tmp_path / "scenarios.html")
    browser.open(tmp_path / "scenarios.html", width=400)
    browser.value(UNFOLD)
    assert browser.value("document.body.innerText").count("<script>alert(1)</script>") > 10
    assert browser.value("document.querySelectorAll('script, img').length") == 0
    assert browser.value("document.documentElement.scrollWidth") <= 400
    assert browser.console() == []
    assert browser.asked_for() == set()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [400, 800, 1600])
def test_it_fits_narrow_and_wide_and_is_light_or_dark(browser: Chromium, page: Path, *, width: int, dark: bool) -> None:
    browser.open(page, width=width, dark=dark)
    image = browser.screenshot()  # folded: a picture of all that unfolds takes ten seconds
    browser.value(UNFOLD)
    assert browser.value("document.documentElement.scrollWidth") <= width
    corner = image.getpixel((2, 2))
    assert isinstance(corner, tuple)
    assert (sum(corner) < 150) is dark
    assert len(image.getcolors(maxcolors=10_000_000) or ()) > 50


def test_a_link_at_the_top_unfolds_its_scenario(browser: Chromium, page: Path) -> None:
    browser.open(page)
    assert browser.value(OPENED) == []
    browser.value("document.querySelector('.first a').click(), 1")
    browser.wait_for(f"{OPENED}.join() === 'scenario-3'")


def test_the_keyboard_unfolds_a_scenario(browser: Chromium, page: Path) -> None:
    browser.open(page)
    browser.value("document.querySelector('#scenario-2 > summary').focus(), 1")
    press(browser, "Enter", 13)
    browser.wait_for(f"{OPENED}.join() === 'scenario-2'")


def test_events_are_filtered_without_a_script(browser: Chromium, page: Path) -> None:
    browser.open(page)
    browser.value(UNFOLD)
    near = browser.value(SHOWN)
    browser.value("document.querySelector('#scenario-1 .pick-all').click(), 1")
    everything = browser.value(SHOWN)
    browser.value("document.querySelector('#scenario-1 .pick-0').click(), 1")
    load = browser.value(SHOWN)
    own = len(made.survived().struck) + 1  # the fault and the first progress stay in sight
    assert 0 < near < everything == len(made.survived().events) + own
    assert load == sum(line["stage"] == "load" for line in made.survived().events) + own


@pytest.mark.parametrize("width", [400, 1200])
def test_the_marks_of_the_timeline_lie_where_their_times_are(browser: Chromium, page: Path, width: int) -> None:
    browser.open(page, width=width)
    browser.value(UNFOLD)
    wrong = browser.value(
        "[...document.querySelectorAll('.lane-track > .strike, .lane-track > .bar, .lane-track > .run-cell')]"
        ".filter(mark => {"
        "const track = mark.parentElement.getBoundingClientRect(), own = mark.getBoundingClientRect();"
        "const place = track.left + track.width * parseFloat(mark.style.left) / 100;"
        "return Math.abs(own.left - place) > 1 || own.top < track.top || own.bottom > track.bottom || own.height < 8 })"
        ".map(mark => mark.outerHTML)"
    )
    assert wrong == []


def test_printed_all_of_it_is_unfolded(browser: Chromium, page: Path) -> None:
    browser.open(page)
    folded = browser.value("document.body.scrollHeight")
    browser.here("Emulation.setEmulatedMedia", media="print")
    assert browser.value("document.body.scrollHeight") > 2 * folded
    assert base64.b64decode(browser.here("Page.printToPDF")["data"]).startswith(b"%PDF")
