from __future__ import annotations

from typing import Any

from j2k_dev.model.recording import CellError
from j2k_dev.report.verdict import meaning, raised, recovery


def test_equal_says_what_was_compared_and_what_could_not_be(sample: Any) -> None:
    text = meaning(sample.summary)
    assert text.startswith("Every output of the pipeline is what the notebook itself gives.")
    assert "cell 7" in text
    assert meaning(sample.with_summary(unstable=()).summary).endswith("itself gives.")


def test_different_counts_outputs_and_names_cells(different: Any) -> None:
    assert meaning(different.summary).startswith("2 outputs in cells 3, 6 are not what the notebook itself gives.")
    one = different.with_summary(differences=different.summary.differences[:1])
    assert meaning(one.summary).startswith("1 output in cell 3 is not what")


def test_failed_names_the_cell_or_the_machinery(failed: Any, sample: Any) -> None:
    assert meaning(failed.summary).startswith("Cell 10 raised ZeroDivisionError: division by zero. ")
    assert meaning(sample.with_summary(verdict="failed", failure="Disk full.").summary) == "Disk full."
    assert meaning(sample.with_summary(verdict="failed").summary) == "The run did not finish."


def test_unverified_says_how_to_verify(sample: Any) -> None:
    assert "--verify" in meaning(sample.with_summary(verdict="unverified").summary)


def test_an_exception_fits_one_line() -> None:
    assert raised(CellError(3, "ValueError", "too\nfew rows!", ())) == "Cell 3 raised ValueError: too few rows!"
    assert raised(CellError(3, "KeyboardInterrupt", "", ())) == "Cell 3 raised KeyboardInterrupt."


def test_lost_workers_are_told_with_what_came_of_them(sample: Any, failed: Any) -> None:
    assert recovery(sample.summary).startswith("1 worker was lost in fit and replaced;")
    assert recovery(failed.summary) == "1 worker was lost in fit."
    assert recovery(sample.with_summary(stages=()).summary) == ""
