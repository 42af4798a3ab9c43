"""The command that a scenario is done to: ``j2k run`` in a process of its own, exactly as a user would call it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from j2k_dev.model.errors import MachineryFailed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_FAREWELL_SECONDS = 20.0


@dataclass(frozen=True)
class Ended:
    """How the command ended: its exit code, and the JSON document that it printed."""

    code: int
    told: dict[str, Any]

    @property
    def outcome(self) -> str:
        """Say what came of the run, as expectations name it."""
        if self.code == 0 and self.told.get("verdict") == "equal":
            return "equal"
        return {0: "unverified", 1: "raised", 3: "different"}.get(self.code, "failed")

    @property
    def message(self) -> str:
        """Say why it has no result, if it has none."""
        error = self.told.get("error")
        if isinstance(error, dict):
            return str(error.get("message") or f"{error.get('ename')} in cell {error.get('cell')}")
        return str(self.told.get("failure") or "")


class Subject:
    """A j2k command, started, killed and started again; ``log`` keeps what it says, if it is not ``shown``."""

    def __init__(self, arguments: Sequence[str], log: Path, *, shown: bool = False) -> None:
        self._arguments = (sys.executable, "-m", "j2k_dev", *arguments)
        self._log = log
        self._shown = shown
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, or start it again."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log, self._answer.open("wb") as answer:
            self.process = subprocess.Popen(
                self._arguments,
                stdin=subprocess.DEVNULL,
                stdout=answer,
                stderr=None if self._shown else log,
                start_new_session=True,
            )

    @property
    def running(self) -> subprocess.Popen[bytes]:
        """Return its process."""
        assert self.process is not None
        return self.process

    def ended(self) -> Ended | None:
        """Say how it ended, or None while it has not."""
        code = self.running.poll()
        return None if code is None else Ended(code, self._told())

    def stop(self) -> None:
        """End it as Ctrl-C does; by force if it takes too long."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(_FAREWELL_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def _answer(self) -> Path:
        return self._log.with_suffix(".json")

    def _told(self) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            told = json.loads(self._answer.read_bytes())
            return told if isinstance(told, dict) else {}
        return {}


def call(arguments: Sequence[str], log: Path, *, shown: bool = False) -> Ended:
    """Call a j2k command to its end; whoever interrupts this interrupts the command too."""
    subject = Subject(arguments, log, shown=shown)
    subject.start()
    try:
        subject.running.wait()
    finally:
        subject.stop()
    ended = subject.ended()
    if ended is None:
        raise MachineryFailed("j2k did not end", f"see {log}")
    return ended
