"""From any exception to what a person is told."""

import errno

import pytest
import typer

from j2k_dev.cli.failures import Bug, document, translate
from j2k_dev.model.errors import (
    BadInput,
    Different,
    J2kError,
    MachineryFailed,
    NotebookRaised,
    Refused,
)

ARGUMENTS = ["up", "a b.ipynb"]


@pytest.mark.parametrize(
    ("kind", "code"),
    [(NotebookRaised, 1), (BadInput, 2), (Different, 3), (Refused, 4), (MachineryFailed, 5), (Bug, 70)],
)
def test_our_own_errors_are_told_as_they_are(kind: type[J2kError], code: int) -> None:
    error = kind("what", "way out")
    assert translate(error, ARGUMENTS) is error
    assert error.exit_code == code


@pytest.mark.parametrize("error", [KeyboardInterrupt(), typer.Abort()])
def test_an_interrupt_names_the_command_that_goes_on(error: BaseException) -> None:
    told = translate(error, ARGUMENTS)
    assert told.exit_code == 130
    assert told.way_out == "run the same command again to go on: j2k up 'a b.ipynb'"


def test_a_full_disk_anywhere_is_machinery() -> None:
    told = translate(OSError(errno.ENOSPC, "No space left on device", "/tmp"), ARGUMENTS)
    assert told.exit_code == 5
    assert told.message.startswith("disk full: ")


def test_anything_else_is_a_bug_of_ours_with_its_traceback() -> None:
    def fail() -> None:
        raise ZeroDivisionError("division by zero")

    with pytest.raises(ZeroDivisionError) as caught:
        fail()
    told = translate(caught.value, ARGUMENTS)
    assert (told.exit_code, told.message) == (70, "ZeroDivisionError: division by zero")
    assert "in fail" in told.detail


def test_the_json_document_has_everything_that_people_see() -> None:
    assert document(Refused("what", "way out", "detail")) == {
        "error": {"kind": "refused", "message": "what", "way_out": "way out", "detail": "detail", "exit_code": 4}
    }
