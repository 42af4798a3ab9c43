"""The child: prepares a stage before any message is there, runs one attempt of it, publishes the result, and is gone.

It is forked from a clean process with one thread, runs in its own session, and dies with its parent.
"""

from __future__ import annotations

import errno
import faulthandler
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from j2k_dev.model.codec import from_plain, to_plain
from j2k_dev.model.errors import J2kError
from j2k_dev.model.run import Message, StageResult
from j2k_dev.worker import processes
from j2k_dev.worker.channel import Channel, Line
from j2k_dev.worker.exchange import DiskFull, Exchange
from j2k_dev.worker.holds import hold

Progress = Callable[[str, dict[str, Any]], None]
Execute = Callable[[Message, Progress], StageResult]


@dataclass(frozen=True)
class StageProgram:
    """What a child runs: ``module`` offers ``prepare(spec)``, which returns the function that executes a message."""

    module: str
    spec: Any
    exchange: str


class Child:
    """The parent's view of a forked child."""

    def __init__(self, process: int, channel: Channel) -> None:
        self.process = process
        self.channel = channel
        self.started = False

    @classmethod
    def fork(cls, program: StageProgram, close: Sequence[int]) -> Child:
        """Fork a child that prepares itself and then waits; it closes the descriptors that are its parent's."""
        ours, theirs = Channel.pair()
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        process = os.fork()
        if process == 0:
            _be_the_child(program, theirs, parent, (*close, ours.descriptor))
        theirs.close()
        return cls(process, ours)

    def start(self, message: Message) -> bool:
        """Give it the message to execute; False if it is gone."""
        self.started = True
        return self.channel.send({"message": to_plain(message)})

    def lines(self) -> list[Line]:
        """Read what it reported, without waiting."""
        return self.channel.receive_ready()

    def is_over(self) -> bool:
        """Say whether it has ended."""
        return processes.is_over(self.process)

    def leaves_nobody(self) -> bool:
        """Kill it without waiting, if it is known to be all there is: nobody else of it can still do anything."""
        return processes.kill_if_alone(self.process)

    def end(self) -> str:
        """End it with all that it started, and say how it had ended."""
        self.channel.close()
        how = processes.end_family(self.process)
        processes.end_strays(keep=())
        return how


def _be_the_child(program: StageProgram, channel: Channel, parent: int, close: Sequence[int]) -> NoReturn:
    status = 1
    try:
        os.setsid()
        processes.die_with(parent)
        processes.ChildSignals.reset()
        processes.close_all(close)
        faulthandler.enable()
        status = _work(program, channel)
    except BaseException:  # noqa: BLE001 - this frame never returns, so nobody else would print it
        processes.log(traceback.format_exc())
    finally:
        # No exit handlers: what the notebook registered is for its own end, not for a stage's.
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _work(program: StageProgram, channel: Channel) -> int:
    try:
        execute: Execute = importlib.import_module(program.module).prepare(program.spec)
        channel.send({"ready": True})
        line = channel.wait_for_line()
        if line is not None:
            message, exchange = from_plain(Message, line["message"]), Exchange(Path(program.exchange))
            progress = _progress(message, exchange, channel)
            result = _execute(execute, message, progress)
            published = exchange.publish(result, lambda: progress("writing-result", {}))
            channel.send({"published": _summary(published)})
    except BaseException as error:  # noqa: BLE001 - whatever it is, the parent has to hear of it before this process ends
        channel.send({"failed": _failure(error)})
        return 1
    return 0


def _progress(message: Message, exchange: Exchange, channel: Channel) -> Progress:
    """Give what a stage tells its progress with; a run that is held somewhere waits there."""
    own, holds = os.getpid(), exchange.holds(message.run)

    def send(event: str, detail: dict[str, Any]) -> None:
        channel.send({"progress": event, "detail": detail})

    def progress(event: str, detail: dict[str, Any]) -> None:
        if os.getpid() == own:
            send(event, detail)
            hold(holds, message.stage, event, detail, send)

    return progress


def _execute(execute: Execute, message: Message, progress: Progress) -> StageResult:
    own = os.getpid()
    result = execute(message, progress)
    if os.getpid() != own:
        os._exit(0)  # a cell forked, and its copy of this process came back here
    return result


def _summary(result: StageResult) -> Line:
    return {
        "attempt": result.attempt,
        "outcome": outcome_of(result),
        "how": result.failure or (result.error.ename if result.error else ""),
    }


def outcome_of(result: StageResult) -> str:
    """Name how a published stage ended: published, raised, refused or lost."""
    if result.error is not None:
        return "raised"
    if result.failure is not None:
        return "refused" if result.refused else "lost"
    return "published"


def _failure(error: BaseException) -> Line:
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    processes.log(text)
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        error = DiskFull.at(Path(error.filename if isinstance(error.filename, str) else "."))
    if isinstance(error, J2kError):
        refused = error.exit_code == 4  # noqa: PLR2004 - DESIGN section 4
        full = isinstance(error, DiskFull)
        return {"message": error.message, "way_out": error.way_out, "refused": refused, "stuck": full}
    if isinstance(error, MemoryError):
        return {"message": "out of memory", "way_out": "Give it more memory.", "refused": False, "stuck": False}
    message = f"bug in j2k: {type(error).__name__}: {error}"
    return {"message": message, "way_out": "The stage's log has the traceback.", "refused": False, "stuck": False}
