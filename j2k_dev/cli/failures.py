"""From any exception to what a person is told: heading, message, way out, exit code (DESIGN section 4)."""

from __future__ import annotations

import shlex
import traceback
from pathlib import Path
from typing import Any

import typer

from j2k_dev.engine.workspace import disk_full, is_disk_full
from j2k_dev.model.errors import BadInput, J2kError


class Interrupted(J2kError):  # noqa: N818 - named like the other errors
    """Somebody stopped the command; nothing that was finished is lost."""

    exit_code = 130
    heading = "interrupted"


class Bug(J2kError):  # noqa: N818 - named like the other errors
    """Our own mistake; ``detail`` holds the traceback."""


def translate(error: BaseException, arguments: list[str]) -> J2kError:
    """Turn whatever ended a command into the error that a person is told."""
    if isinstance(error, J2kError):
        return error
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return Interrupted("stopped", way_out=f"run the same command again to go on: {_again(arguments)}")
    if isinstance(error, typer.TyperException):
        return _usage(error)
    if is_disk_full(error):
        return disk_full(Path(getattr(error, "filename", None) or Path.cwd()))
    trace = "".join(traceback.format_exception(error))
    return Bug(f"{type(error).__name__}: {error}", detail=trace)


def document(error: J2kError) -> dict[str, Any]:
    """Make the JSON document that stands for an error."""
    told = {"kind": error.heading, "message": error.message, "way_out": error.way_out, "detail": error.detail}
    return {"error": {**told, "exit_code": error.exit_code}}


def _again(arguments: list[str]) -> str:
    return shlex.join(["j2k", *arguments])


def _usage(error: typer.TyperException) -> BadInput:
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "j2k"
    return BadInput(
        error.format_message().rstrip(".").replace("Value error, ", ""), way_out=f"{command} --help shows what it takes"
    )
