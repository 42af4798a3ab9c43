"""Errors typed by what the caller does next; each knows its exit code (DESIGN section 4).

Whoever raises one says what went wrong and, in ``way_out``, what to do about it.
"""

from __future__ import annotations


class J2kError(Exception):
    """Something a person has to hear about."""

    exit_code = 70
    heading = "bug in j2k"

    def __init__(self, message: str, way_out: str = "", detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.way_out = way_out
        self.detail = detail


class NotebookRaised(J2kError):  # noqa: N818
    """The notebook's own code raised: fix the notebook."""

    exit_code = 1
    heading = "the notebook raised"


class BadInput(J2kError):  # noqa: N818
    """Wrong usage, or an input that can't be read: fix the command."""

    exit_code = 2
    heading = "bad input"


class Different(J2kError):  # noqa: N818
    """Results differ from the notebook's own."""

    exit_code = 3
    heading = "different"


class Refused(J2kError):  # noqa: N818
    """It can't be done safely."""

    exit_code = 4
    heading = "refused"


class MachineryFailed(J2kError):  # noqa: N818
    """What j2k stands on failed: a process, the disk, a time-out. Trying again may help."""

    exit_code = 5
    heading = "machinery failed"
