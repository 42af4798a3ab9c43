"""Any lie about a good history is found out: something left out, told twice, of another, or the other way round."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from j2k_dev.scenario.rules import violations
from j2k_dev.worker.events import Event
from tests.scenario.histories import STAGES, a_good_history

OPTIONAL = {"ran", "writing-result"}
GOOD_HISTORY = a_good_history()
TOLD = GOOD_HISTORY.events
# An attempt that was lost while it ran a cell may as well have been lost before.
NEEDED = [
    place
    for place, event in enumerate(TOLD)
    if event.event in {"taken", "started", "restored", "cell-started", "cell-finished", "ended", "retried"}
    and not (event.event == "cell-started" and TOLD[place + 1].event == "ended")
]
SINGLE = [place for place, event in enumerate(TOLD) if event.event not in {*OPTIONAL, "restored"}]
NEIGHBOURS = [
    place
    for place, (event, after) in enumerate(pairwise(TOLD))
    if event.worker == after.worker and not {event.event, after.event} & OPTIONAL
]


def lies(*events: Event) -> bool:
    return bool(violations(replace(GOOD_HISTORY, events=events)))


def test_the_good_history_is_good() -> None:
    assert not lies(*TOLD)


@given(st.sampled_from(NEEDED))
def test_leaving_something_out_is_found(place: int) -> None:
    assert lies(*TOLD[:place], *TOLD[place + 1 :])


@given(st.sampled_from(SINGLE))
def test_telling_something_twice_is_found(place: int) -> None:
    assert lies(*TOLD[: place + 1], *TOLD[place:])


@given(st.sampled_from(NEIGHBOURS))
def test_telling_two_things_the_other_way_round_is_found(place: int) -> None:
    first, second = TOLD[place], TOLD[place + 1]
    swapped = (replace(second, time=first.time), replace(first, time=second.time))
    assert lies(*TOLD[:place], *swapped, *TOLD[place + 2 :])


@given(st.sampled_from(range(len(TOLD))), st.integers(0, 9))
def test_telling_something_of_another_attempt_is_found(place: int, attempt: int) -> None:
    event = TOLD[place]
    changed = replace(event, attempt=attempt if attempt != event.attempt else 10)
    assert lies(*TOLD[:place], changed, *TOLD[place + 1 :])


@given(st.sampled_from(range(len(TOLD))), st.sampled_from(sorted({event.worker for event in TOLD})))
def test_telling_something_in_the_name_of_another_is_found(place: int, worker: str) -> None:
    event = TOLD[place]
    changed = replace(event, worker=worker if worker != event.worker else "nobody-100-00ffff")
    assert lies(*TOLD[:place], changed, *TOLD[place + 1 :])


@given(st.sampled_from(range(len(STAGES))), st.sampled_from(["gone", "late", "of another", "another end"]))
def test_another_exchange_is_found(place: int, how: str) -> None:
    published = GOOD_HISTORY.publications[place]
    changed = {
        "gone": (),
        "late": (replace(published, at=published.at + 2),),
        "of another": (replace(published, attempt=published.attempt + 1),),
        "another end": (replace(published, outcome="raised"),),
    }[how]
    publications = (*GOOD_HISTORY.publications[:place], *changed, *GOOD_HISTORY.publications[place + 1 :])
    assert violations(replace(GOOD_HISTORY, publications=publications))


def test_events_that_name_no_run_are_of_none() -> None:
    stuck = Event(TOLD[-1].time + 1, "plot-100-000003", "", "plot", 0, "stuck", {})
    assert not lies(*TOLD, stuck)
