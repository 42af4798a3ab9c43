"""A stage that does as it is told, for tests of what surrounds a stage: the zygote imports it in place of the real one.

A gate is a named pipe that a test puts into the run's ``gates`` folder: whoever comes by stops there until the test
opens it, so a test knows where everybody is, and kills at exactly that moment.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from j2k_dev.model.recording import CellError
from j2k_dev.model.run import Message, StageResult
from j2k_dev.worker.exchange import DiskFull, Exchange
from j2k_dev.worker.sqlite_bus import SqliteBus

if TYPE_CHECKING:
    from collections.abc import Callable

GATES = "FAKE_STAGE_GATES"


def gate(name: str) -> None:
    """Stop here if the test put a gate here; it takes the gate away when it sees somebody there."""
    path = Path(os.environ[GATES]) / name
    if path.exists():
        with path.open("rb") as pipe:
            pipe.read()


def prepare(spec: dict[str, Any]) -> Callable[[Message, Callable[[str, dict[str, Any]], None]], StageResult]:
    """Do what the real stage does, as far as its surroundings see it."""
    gate(f"prepare-{spec['name']}")
    if spec.get("dies_while_preparing"):
        os.kill(os.getpid(), signal.SIGKILL)

    def execute(message: Message, progress: Callable[[str, dict[str, Any]], None]) -> StageResult:
        started = time.monotonic()
        _note(spec, message)
        progress("restored", {})
        for cell in spec["cells"]:
            progress("cell-started", {"cell": cell})
            gate(f"cell-{cell}")
            error = _do(spec.get("does", {}).get(str(cell)), message, cell)
            if error is not None:
                return StageResult(message.run, message.stage, message.attempt, None, (), 0.0, error=error)
            progress("cell-finished", {"cell": cell})
        if "refuses" in spec:
            return StageResult(
                message.run, message.stage, message.attempt, None, (), 0.0, failure=spec["refuses"], refused=True
            )
        snapshot = f"{message.snapshot or 'start'}>{spec['name']}"
        return StageResult(message.run, message.stage, message.attempt, snapshot, (), time.monotonic() - started)

    return execute


def _note(spec: dict[str, Any], message: Message) -> None:
    with Path(spec["notes"]).open("a") as notes:
        note = {"stage": message.stage, "attempt": message.attempt, "snapshot": message.snapshot, "pid": os.getpid()}
        notes.write(json.dumps({**note, "parameters": message.parameters, "hash": hash("j2k")}) + "\n")


def _do(action: str | None, message: Message, cell: int) -> CellError | None:
    if action == "raise":
        return CellError(cell, "ValueError", "no", ("Traceback",))
    if action == "kill" or (action == "kill-once" and message.attempt == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    if action == "segfault":
        ctypes.string_at(0)
    if action == "exit":
        os._exit(7)
    if action == "disk-full-once" and message.attempt == 1:
        raise DiskFull("disk full: 0 bytes free at /somewhere", "Make room.")
    if action == "bug":
        raise KeyError("a bug")
    if action == "leave-processes":
        subprocess.Popen(["sleep", "1000"])
        subprocess.Popen(["sleep", "1001"], start_new_session=True)
    if action == "fork-and-return":
        os.fork()
    return None


def _gated(owner: type, name: str, gate_name: Callable[..., str]) -> None:
    """Put a gate before a method, for the moments that lie outside of a stage."""
    original = getattr(owner, name)

    def wrapper(*arguments: Any, **options: Any) -> Any:
        gate(gate_name(*arguments))
        return original(*arguments, **options)

    setattr(owner, name, wrapper)


_gated(Exchange, "claim", lambda _self, _run, stage, *_: f"claim-{stage}")
_gated(Exchange, "publish", lambda _self, result, *_: f"publish-{result.stage}")
_gated(SqliteBus, "forward", lambda _self, delivery, _following: f"forward-{delivery.message.stage}")
