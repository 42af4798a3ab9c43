"""The judge of the fidelity test: it has to see a difference, and to accept nothing it did not compare."""

from __future__ import annotations

from typing import Any

import pytest

from tests.outside.execution import Execution, Reply
from tests.outside.judge import judge

EQUAL_RUN: dict[str, Any] = {"verdict": "equal", "stages": [{}]}


def execution(*texts: str, error: str | None = None) -> Execution:
    cells = [
        {
            "cell_type": "code",
            "execution_count": number,
            "outputs": [{"output_type": "stream", "name": "stdout", "text": text}],
        }
        for number, text in enumerate(texts, 1)
    ]
    return Execution([{"cell_type": "markdown"}, *cells], error, 1.0)


def reply(executed: Execution | None, code: int = 0, document: dict[str, Any] = EQUAL_RUN) -> Reply:
    return Reply(code, document, "", executed, 1.0)


def oracle(*runs: Execution) -> Any:
    """Give the runs in turn, and the last one from then on."""
    return lambda number: runs[min(number, len(runs)) - 1]


def test_the_same_outputs_are_equal() -> None:
    assert judge(reply(execution("a\n", "b\n")), oracle(execution("a\n", "b\n"))).verdict == "equal"


def test_another_output_is_silently_different_where_j2k_reported_equal() -> None:
    judgement = judge(reply(execution("a\n", "c\n")), oracle(execution("a\n", "b\n")))
    assert judgement.verdict == "SILENTLY DIFFERENT"
    assert "cell 2, stdout" in judgement.reason


def test_a_missing_cell_is_a_difference() -> None:
    assert judge(reply(execution("a\n")), oracle(execution("a\n", "b\n"))).verdict == "SILENTLY DIFFERENT"


def test_another_execution_count_is_a_difference() -> None:
    shifted = Execution([{**cell, "execution_count": 7} for cell in execution("a\n").cells], None, 1.0)
    assert judge(reply(shifted), oracle(execution("a\n"))).verdict == "SILENTLY DIFFERENT"


def test_a_cell_that_nbclient_does_not_reproduce_is_named_and_not_held_against_j2k() -> None:
    judgement = judge(reply(execution("a\n", "3\n")), oracle(execution("a\n", "1\n"), execution("a\n", "2\n")))
    assert (judgement.verdict, judgement.unstable) == ("equal except unstable", (2,))


def test_a_cell_that_agreed_twice_by_chance_is_asked_again() -> None:
    same, other = execution("1\n"), execution("2\n")
    assert judge(reply(other), oracle(same, same, other)).verdict == "equal except unstable"


def test_the_same_error_at_the_same_cell_is_alike() -> None:
    raised = execution("a\n", error="ValueError")
    document = {"error": {"ename": "ValueError"}}
    assert judge(reply(raised, 1, document), oracle(raised)).verdict == "raised alike"


def test_an_error_that_only_one_of_them_met_is_not_alike() -> None:
    raised, went_well = execution("a\n", error="ValueError"), execution("a\n")
    assert judge(reply(went_well), oracle(raised)).verdict == "raised unlike"
    assert judge(reply(raised, 1, {"error": {"ename": "ValueError"}}), oracle(went_well)).verdict == "raised unlike"


def test_a_refusal_needs_a_reason_and_a_way_out() -> None:
    said = {"error": {"message": "a socket is open", "way_out": "close it"}}
    assert judge(reply(None, 4, said), oracle()).verdict == "refused"
    assert judge(reply(None, 4, {"error": {"message": "no"}}), oracle()).verdict == "machinery"


def test_nothing_compared_is_never_equal() -> None:
    assert judge(reply(None), oracle(execution("a\n"))).verdict == "machinery"
    assert judge(reply(execution("a\n"), 0, {}), oracle(execution("a\n"))).verdict == "machinery"


@pytest.mark.parametrize("code", [2, 5, 70, -9])
def test_other_exit_codes_are_the_machinery_s(code: int) -> None:
    assert judge(reply(execution("a\n"), code), oracle(execution("a\n"))).verdict == "machinery"
