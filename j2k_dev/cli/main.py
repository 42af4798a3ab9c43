"""Where j2k begins and ends: the one place that turns what happened into an exit code."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import typer

from j2k_dev.cli.app import build_app
from j2k_dev.cli.failures import Bug, document, translate
from j2k_dev.cli.session import Session
from j2k_dev.engine.workspace import FOLDER
from j2k_dev.model.errors import J2kError, NotebookRaised

if TYPE_CHECKING:
    from types import FrameType

# What a shell reports of a program whose reader went away (`j2k plan … | head -1`): 128 + SIGPIPE.
READER_GONE = 141

_COMPLETION = "_J2K_COMPLETE"


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code (DESIGN section 4)."""
    given = sys.argv[1:] if arguments is None else arguments
    session = Session(given)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = _invoke(session)
        sys.stdout.flush()
    except typer.Exit as error:
        code = error.exit_code
    except BaseException as error:  # noqa: BLE001 - whatever happened becomes an exit code, here and nowhere else
        code = _report(session, error)
    return _last_words(code)


def _invoke(session: Session) -> int:
    command = typer.main.get_command(build_app())
    if _COMPLETION in os.environ:
        command.main(session.arguments, prog_name="j2k", complete_var=_COMPLETION)
    # Not command.main(): it would swallow interrupts and broken pipes.
    with command.make_context("j2k", list(session.arguments), obj=session) as context:
        code: int | None = command.invoke(context)
    return code or 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _report(session: Session, error: BaseException) -> int:
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 0
    if isinstance(error, BrokenPipeError) and _reader_gone():
        return READER_GONE
    told = translate(error, session.arguments)
    if isinstance(told, Bug) and not session.verbose:
        told.way_out = f"please report it, with {_keep_trace(session, told)}"
    try:
        _tell(session, told, as_json=session.as_json)
    except BrokenPipeError:
        return READER_GONE
    except OSError:
        # The disk that stdout goes to is full, for one.
        _tell(session, told, as_json=False)
    return told.exit_code


def _tell(session: Session, error: J2kError, *, as_json: bool) -> None:
    if as_json:
        session.emit(document(error))
        return
    from j2k_dev.report.console import print_error  # noqa: PLC0415 - only errors need it

    # What the notebook itself raised is never a detail.
    print_error(session.stderr, error, session.verbose or isinstance(error, NotebookRaised))


def _keep_trace(session: Session, bug: Bug) -> Path:
    """Write the traceback where the command kept its things, or else where things can always be kept."""
    beside = (session.place or Path()).absolute()
    folder = session.override or (beside if beside.is_dir() else beside.parent) / FOLDER
    name = f"bug-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    for place in (folder, Path(tempfile.gettempdir())):
        with contextlib.suppress(OSError):
            (place / name).write_text(f"j2k {' '.join(session.arguments)}\n\n{bug.detail}", encoding="utf-8")
            return place / name
    return Path(os.devnull)


def _reader_gone() -> bool:
    """Tell a reader of our output that went away from any other pipe that broke."""
    poll = select.poll()
    for descriptor in (1, 2):
        poll.register(descriptor, 0)
    return any(events & (select.POLLERR | select.POLLHUP) for _descriptor, events in poll.poll(0))


def _last_words(code: int) -> int:
    """Flush now, so that the interpreter's own exit can't fail on a closed pipe."""
    for stream in (sys.stdout, sys.stderr):
        _flush(stream)
    return code


def _flush(stream: TextIO) -> None:
    try:
        stream.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
