"""The report in a real browser: nothing fails, nothing is fetched, what a reader needs is there."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from j2k_dev.report.graph import plan_page
from j2k_dev.report.html import write_report
from tests.report.chromium import press, said

if TYPE_CHECKING:
    from pathlib import Path

    from tests.report.chromium import Chromium

pytestmark = pytest.mark.browser


@pytest.fixture(params=["sample", "different", "failed"])
def report(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return written(request.getfixturevalue(request.param), tmp_path)


def written(run: Any, folder: Path) -> Path:
    write_report(run.notebook, run.summary, run.pipeline, run.recording, folder / "report.html")
    return folder / "report.html"


def with_output(sample: Any, page: str) -> Any:
    output = {"output_type": "display_data", "data": {"text/html": page, "text/plain": "x"}, "metadata": {}}
    cell = {"cell_type": "code", "source": "show()", "execution_count": 1, "outputs": [output], "metadata": {}}
    return replace(sample, notebook={"metadata": {}, "cells": [cell]})


def test_the_report_loads_without_errors_and_without_network(browser: Chromium, report: Path) -> None:
    browser.open(report)
    browser.wait_for("[...document.querySelectorAll('iframe')].every(frame => frame.style.height)")
    assert browser.console() == []
    assert browser.asked_for() == set()
    text = browser.value("document.body.innerText")
    assert "The executed notebook" in text
    assert "worker lost after 2.3 s (killed by signal 9)" in text
    assert "</script><script>alert(1)</script>" in text
    assert browser.value("[...document.images].every(image => image.naturalWidth > 0)")


def test_the_plan_loads_without_errors_and_without_network(browser: Chromium, sample: Any, tmp_path: Path) -> None:
    plan_page(sample.pipeline, sample.recording, tmp_path / "plan.html")
    browser.open(tmp_path / "plan.html")
    assert browser.console() == []
    assert browser.asked_for() == set()
    assert "What crosses" in browser.value("document.body.innerText")


def test_an_output_with_a_script_runs_in_its_frame_and_tells_its_height(
    browser: Chromium, sample: Any, tmp_path: Path
) -> None:
    browser.open(written(with_output(sample, "<div id=a></div><script>a.style.height = '777px'</script>"), tmp_path))
    browser.wait_for("document.querySelector('iframe').style.height === '793px'")
    assert browser.console() == []


def test_an_output_that_is_always_taller_than_its_frame_stops_growing(
    browser: Chromium, sample: Any, tmp_path: Path
) -> None:
    browser.open(written(with_output(sample, "<style>div {height: 110vh}</style><div></div>"), tmp_path))
    browser.wait_for(
        "(n => n === window.before || (window.before = n, false))(document.querySelector('iframe').offsetHeight)"
    )
    assert browser.value("document.querySelector('iframe').offsetHeight") <= 4002


def test_an_output_cannot_leave_its_frame(browser: Chromium, sample: Any, tmp_path: Path) -> None:
    evil = (
        "<style>body { display: none }</style>"
        "<script>try { top.document.title = 'taken' } catch (e) { console.log('kept out: ' + e.name) }"
        "try { top.location = 'https://example.org/' } catch (e) { console.log('kept in: ' + e.name) }"
        "new Image().src = 'https://example.org/pixel.png';"
        "fetch('https://example.org/').catch(() => console.log('not fetched'))</script>"
    )
    browser.open(written(with_output(sample, evil), tmp_path))
    browser.wait_for("document.readyState === 'complete'")
    for expected in ("kept out: SecurityError", "kept in: SecurityError", "not fetched"):
        said(browser, expected)
    assert browser.value("document.title").startswith("equal")
    assert browser.asked_for() == set()


def test_a_page_that_fetches_or_fails_would_be_noticed(browser: Chromium, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><img src='http://example.org/pixel.png'><script>no.such.thing</script>")
    browser.open(page)
    assert browser.asked_for() == {"http://example.org/pixel.png"}
    said(browser, "ReferenceError")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [400, 1600])
def test_the_page_fits_narrow_and_wide_and_is_light_or_dark(
    browser: Chromium, report: Path, *, width: int, dark: bool
) -> None:
    browser.open(report, width=width, dark=dark)
    assert browser.value("document.documentElement.scrollWidth") <= width
    image = browser.screenshot()
    assert image.width == width
    corner = image.getpixel((2, 2))
    assert isinstance(corner, tuple)
    assert (sum(corner) < 150) is dark
    assert len(image.getcolors(maxcolors=10_000_000) or ()) > 50


def test_the_keyboard_reaches_the_notebook_first(browser: Chromium, sample: Any, tmp_path: Path) -> None:
    browser.open(written(sample, tmp_path))
    press(browser, "Tab", 9)
    assert browser.value("document.activeElement.textContent") == "Skip to the notebook"
    press(browser, "Enter", 13)
    browser.wait_for("document.activeElement.id === 'notebook' || location.hash === '#notebook'")


def test_the_page_can_be_printed(browser: Chromium, report: Path) -> None:
    browser.open(report)
    printed = base64.b64decode(browser.here("Page.printToPDF")["data"])
    assert printed.startswith(b"%PDF")
