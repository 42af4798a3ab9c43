"""The report in a real browser: nothing fails, nothing is fetched, what a reader needs is there.

Chromium is driven through its own pipe (the DevTools protocol: JSON texts, each ended by a NUL), so that tests can wait
for a condition, see what frames say, and try widths that a window can't have.
"""

from __future__ import annotations

import base64
import io
import json
import os
import select
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import pytest
from PIL import Image

from j2k_dev.report.graph import plan_page
from j2k_dev.report.html import write_report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.browser

_DEADLINE = 60.0  # seconds for anything at all; a browser on a busy machine is slow
_OPTIONS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--remote-debugging-pipe",
)
# The browser reads descriptor 3 and writes descriptor 4; copies high up come first, so that neither is overwritten.
_PLACE = """
import fcntl, os, sys
high = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 20) for number in sys.argv[1:3]]
os.dup2(high[0], 3)
os.dup2(high[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


@dataclass
class Chromium:
    """A running browser and what it said since the last page was opened."""

    program: str
    profile: Path
    events: list[dict[str, Any]] = field(default_factory=list)
    session: str = ""
    _buffer: bytes = b""
    _last: int = 0

    def __enter__(self) -> Self:
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        self._process = self._start(theirs_in, theirs_out)
        os.close(theirs_in)
        os.close(theirs_out)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(_DEADLINE)
        os.close(self._out)
        os.close(self._in)

    def _start(self, theirs_in: int, theirs_out: int) -> subprocess.Popen[bytes]:
        as_root = ("--no-sandbox",) if os.geteuid() == 0 else ()
        options = (*_OPTIONS, *as_root, f"--user-data-dir={self.profile}", "about:blank")
        return subprocess.Popen(
            [sys.executable, "-c", _PLACE, str(theirs_in), str(theirs_out), self.program, *options],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def open(self, page: Path, *, width: int = 1200, dark: bool = False) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.events.clear()
        self._listen(self.session)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.here("Emulation.setEmulatedMedia", features=[scheme])
        self.here("Emulation.setDeviceMetricsOverride", width=width, height=1000, deviceScaleFactor=1, mobile=False)
        self.here("Page.navigate", url=page.as_uri())
        deadline = time.monotonic() + _DEADLINE
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self._receive(deadline)

    def here(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the page that is open."""
        return self.call(method, self.session, **params)

    def call(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        number = self._send(method, session, params)
        deadline = time.monotonic() + _DEADLINE
        while (message := self._receive(deadline)).get("id") != number:
            pass
        assert "error" not in message, message
        result: dict[str, Any] = message["result"]
        return result

    def value(self, expression: str) -> Any:
        """Evaluate an expression in the page, once it has painted what it had to."""
        painted = f"new Promise(done => requestAnimationFrame(() => setTimeout(() => done({expression}))))"
        result = self.here("Runtime.evaluate", expression=painted, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait_for(self, expression: str) -> None:
        deadline = time.monotonic() + _DEADLINE
        while not self.value(expression):
            assert time.monotonic() < deadline, f"the page never got to {expression}"

    def console(self) -> list[str]:
        """List what the page and its frames wrote to the console, errors above all."""
        kinds = {"Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"}
        return [json.dumps(event["params"]) for event in self.events if event["method"] in kinds]

    def asked_for(self) -> set[str]:
        """List the addresses that went out to the network, those not counted that the page's policy stopped."""
        sent, stopped = {}, set()
        for event in self.events:
            if event["method"] == "Network.requestWillBeSent":
                sent[event["params"]["requestId"]] = event["params"]["request"]["url"]
            elif event["method"] == "Network.loadingFailed" and event["params"].get("blockedReason") == "csp":
                stopped.add(event["params"]["requestId"])
        return {url for number, url in sent.items() if number not in stopped and url.startswith(("http", "ws"))}

    def screenshot(self) -> Image.Image:
        shot = self.here("Page.captureScreenshot", captureBeyondViewport=True)
        return Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")

    def _listen(self, session: str) -> None:
        for method in ("Page.enable", "Runtime.enable", "Log.enable", "Network.enable"):
            self._send(method, session, {})
        # Frames without an origin live in processes of their own; they wait until we listen to them too.
        attach = {"autoAttach": True, "waitForDebuggerOnStart": True, "flatten": True}
        self._send("Target.setAutoAttach", session, attach)
        self._send("Runtime.runIfWaitingForDebugger", session, {})

    def _send(self, method: str, session: str, params: dict[str, Any]) -> int:
        self._last += 1
        message = {"id": self._last, "method": method, "params": params} | ({"sessionId": session} if session else {})
        os.write(self._out, json.dumps(message).encode() + b"\0")
        return self._last

    def _receive(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(deadline - time.monotonic(), 0))
            assert ready, "the browser said nothing more before the deadline"
            piece = os.read(self._in, 1 << 20)
            assert piece, "the browser ended"
            self._buffer += piece
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        if "method" in message:
            self.events.append(message)
        if message.get("method") == "Target.attachedToTarget" and self.session:
            self._listen(message["params"]["sessionId"])
        return message


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip("NO BROWSER, SO THE REPORT WAS NOT LOOKED AT: apt-get install chromium")
    with Chromium(program, tmp_path_factory.mktemp("browser")) as chromium:
        yield chromium


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


def said(browser: Chromium, text: str) -> None:
    deadline = time.monotonic() + _DEADLINE
    while not any(text in line for line in browser.console()):
        assert time.monotonic() < deadline, f"nothing on the console said {text!r}: {browser.console()}"
        browser.value("1")


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


def press(browser: Chromium, key: str, number: int) -> None:
    text = {"text": "\r"} if key == "Enter" else {}
    browser.here("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=number, **text)
    browser.here("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=number)


def test_the_page_can_be_printed(browser: Chromium, report: Path) -> None:
    browser.open(report)
    printed = base64.b64decode(browser.here("Page.printToPDF")["data"])
    assert printed.startswith(b"%PDF")
