"""Which release going back leads to."""

from __future__ import annotations

import pytest

from j2k_dev.actions.promotion.rollback import release_to_go_back_to
from j2k_dev.model.errors import Refused
from j2k_dev.promote.model import Release, State


def release(number: int, state: State, previous: int | None = None, digest: str = "") -> Release:
    return Release(number, "weather", "weather.ipynb", state, "ada", 0.0, digest or f"d{number}", {}, previous=previous)


def test_going_back_leads_to_the_release_before_the_present_one() -> None:
    history = (release(1, "superseded"), release(2, "live", 1))
    assert release_to_go_back_to(history).number == 1


def test_a_promotion_that_was_cut_off_is_gone_back_from_to_the_release_in_use() -> None:
    history = (release(1, "superseded"), release(2, "live", 1), release(3, "applying", 2))
    assert release_to_go_back_to(history).number == 2


def test_going_back_that_was_cut_off_goes_on_to_where_it_led() -> None:
    history = (release(1, "superseded"), release(2, "live", 1), release(3, "testing", 2, digest="d1"))
    assert release_to_go_back_to(history).number == 1


@pytest.mark.parametrize("history", [(), (release(1, "live"),), (release(1, "failed"), release(2, "live", None))])
def test_where_there_is_nothing_to_go_back_to_that_is_said(history: tuple[Release, ...]) -> None:
    with pytest.raises(Refused, match="no earlier release"):
        release_to_go_back_to(history)
