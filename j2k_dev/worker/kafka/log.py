"""What kafka-python's log is good for: why a broker is not reached, which its exceptions do not say.

While a broker is away, the client logs every attempt to connect, several times a second; here each kind of line is
told once a minute. Nothing else of this process is affected.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_PAUSE_SECONDS = 60.0
_FRESH_SECONDS = 60.0
LOGIN = "Authentication failed"
_REASONS = (
    re.compile(rf"{LOGIN}[^()\n]*"),
    re.compile(r"[Uu]nsupported ?[Ss]asl ?[Mm]echanism[^()\n]*"),
    re.compile(r"certificate verify failed[^()\n]*"),
    re.compile(r"\[SSL[^()\n]*"),
)
# On a busy machine its own event loop is late; nobody can do anything about that.
_NO_NEWS = re.compile(r"ran for [0-9.]+s \(>[0-9.]+s threshold\)")
_CHANGING = re.compile(r"0x[0-9a-f]+|[0-9.]+")


def to_stderr(line: str) -> None:
    """Write a line to this process's log; where that can't be written, it costs the line and nothing else."""
    with suppress(OSError, ValueError):
        sys.stderr.write(f"{line}\n")


class _Listener(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.tell: Callable[[str], object] = to_stderr
        self._written: dict[tuple[str, str], float] = {}
        self._reason = ("", float("-inf"))

    def emit(self, record: logging.LogRecord) -> None:
        text, now = record.getMessage(), time.monotonic()
        if _NO_NEWS.search(text):
            return
        found = next((match for pattern in _REASONS if (match := pattern.search(text))), None)
        if found is not None:
            self._reason = (found[0].strip().rstrip("."), now)
        kind = (record.name, _CHANGING.sub("", str(record.msg)))
        if now - self._written.get(kind, float("-inf")) >= _PAUSE_SECONDS:
            self._written[kind] = now
            self.tell(f"{record.name}: {text}")

    def forget(self) -> None:
        self._reason = ("", float("-inf"))

    def reason(self) -> str:
        text, when = self._reason
        return text if time.monotonic() - when < _FRESH_SECONDS else ""


_LISTENER = _Listener()


def listen(tell: Callable[[str], object] = to_stderr) -> None:
    """Hear from now on what kafka-python logs, in place of whoever did so before, and tell it."""
    _LISTENER.tell = tell
    _LISTENER.forget()
    logger = logging.getLogger("kafka")
    logger.addHandler(_LISTENER)
    logger.propagate = False


def why() -> str:
    """Say why connections failed lately, as far as the client knows; empty if it does not."""
    return _LISTENER.reason()
