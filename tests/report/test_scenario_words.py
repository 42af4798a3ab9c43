from __future__ import annotations

from dataclasses import replace

from j2k_dev.model.scenario import StageTale
from j2k_dev.report.scenario_words import (
    MARKS,
    attempts,
    fault_name,
    headline,
    meaning,
    recomputed,
    recovery,
    tally,
    worst,
)
from tests.report import scenario_results as made


def test_each_verdict_is_a_sentence_with_its_reason() -> None:
    assert meaning(made.survived()) == "The fault happened, and every expectation held."
    assert meaning(made.late()) == "It survived, but not in time: 34 s (15 s allowed)."
    assert meaning(made.broken()).startswith("It did not survive: stage fit passed on a result")
    assert meaning(made.invalid()) == ("No verdict: process 4100 was sent SIGSTOP and was not stopped by it.")
    assert meaning(replace(made.broken(), why="")) == "It did not survive: an expectation did not hold."
    assert meaning(replace(made.broken(), why="Is it lost?")) == "It did not survive: Is it lost?"


def test_recovery_stands_beside_what_is_allowed() -> None:
    assert recovery(made.survived()) == "194 ms (3 s allowed)"
    assert recovery(made.broken()) == "none (6 s allowed)"
    assert recovery(replace(made.late(), recovery_allowed=None)) == "34 s"


def test_without_proof_of_a_fault_no_recovery_is_claimed() -> None:
    assert made.invalid().recovery is not None
    assert recovery(made.invalid()) == ""


def test_stages_that_took_several_attempts_are_named() -> None:
    assert attempts(made.survived()) == "fit 2"
    assert attempts(made.late()) == "1 each"
    assert attempts(replace(made.late(), stages=(StageTale("load", 0, 0),))) == "none"
    assert recomputed(made.survived()) == 2


def test_a_fault_is_told_with_whom_it_struck_and_when() -> None:
    (struck,) = made.survived().struck
    assert fault_name(struck) == "kill of the process that runs the cells: stage fit, attempt 1, in cell 10"
    assert (
        fault_name(replace(struck, fault="restart-node", stage="", attempt=0, point="x", process=""))
        == "restart node: x"
    )


def test_the_headline_counts_only_what_survived_in_time() -> None:
    assert headline(()) == "Nothing was run"
    assert headline((made.late(),)) == "Survived late"
    assert headline((made.survived(), made.raised())) == "All 2 survived"
    assert headline(made.all_kinds()) == "2 of 6 survived"


def test_the_tally_leaves_nothing_out() -> None:
    assert tally(made.all_kinds(), made.not_run()) == (
        "2 survived with the expected results and in time, 1 survived late, 1 broke and 2 prove nothing, because their "
        "faults did not happen. 2 scenarios were not run."
    )
    assert tally((made.invalid(),), made.not_run()[:1]) == (
        "1 proves nothing, because its fault did not happen. 1 scenario was not run."
    )
    assert tally((), ()) == ""


def test_one_bad_verdict_sets_the_tone() -> None:
    assert worst(()) == "quiet"
    assert worst((made.survived(),)) == "good"
    assert worst((made.survived(), made.late())) == "warn"
    assert worst((made.late(), made.invalid())) == "quiet"
    assert worst(made.all_kinds()) == "bad"


def test_no_two_verdicts_share_a_mark() -> None:
    assert len(set(MARKS.values())) == len(MARKS)
