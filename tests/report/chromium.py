"""Headless Chromium, driven through its own pipe (the DevTools protocol: JSON texts, each ended by a NUL).

So tests can wait for a condition, see what frames say, and try widths that a window can't have.
"""

from __future__ import annotations

import base64
import io
import json
import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

DEADLINE = 60.0  # seconds for anything at all; a browser on a busy machine is slow
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
        self._process.wait(DEADLINE)
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
        deadline = time.monotonic() + DEADLINE
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self._receive(deadline)

    def here(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the page that is open."""
        return self.call(method, self.session, **params)

    def call(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        number = self._send(method, session, params)
        deadline = time.monotonic() + DEADLINE
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
        deadline = time.monotonic() + DEADLINE
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


def said(browser: Chromium, text: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not any(text in line for line in browser.console()):
        assert time.monotonic() < deadline, f"nothing on the console said {text!r}: {browser.console()}"
        browser.value("1")


def press(browser: Chromium, key: str, number: int) -> None:
    text = {"text": "\r"} if key == "Enter" else {}
    browser.here("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=number, **text)
    browser.here("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=number)
