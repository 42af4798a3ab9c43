from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from j2k_dev.model.run import Attempt, RunSummary, StageSummary
from j2k_dev.report.timeline import attempt_text, timeline


def run_of(*attempts: tuple[float, float]) -> RunSummary:
    history = tuple(Attempt(n, start, end, "published") for n, (start, end) in enumerate(attempts, 1))
    return RunSummary("r", "local", "equal", (StageSummary("a", (0,), len(history), 1.0, history=history),))


def test_bars_follow_one_another_to_scale(sample: Any) -> None:
    line = timeline(sample.summary)
    assert line is not None
    bars = [bar for row in line.rows for bar in row.bars]
    assert [bar.outcome for bar in bars] == ["published", "published", "lost", "published", "published"]
    assert bars[0].left == 0
    assert bars[-1].left + bars[-1].width == 100
    assert abs(bars[2].width - 100 * 2.3 / 14) < 0.1
    assert [tick.text for tick in line.ticks] == ["0 s", "5 s", "10 s"]
    assert line.pauses == ()


def test_a_night_between_two_attempts_is_cut_short_and_named() -> None:
    line = timeline(run_of((0, 10), (36_010, 36_020)))
    assert line is not None
    first, second = line.rows[0].bars
    assert first.width > 40
    assert second.width > 40
    (pause,) = line.pauses
    assert pause.text == "pause of 10 h"
    assert first.left + first.width < pause.left < second.left


def test_no_attempts_means_no_timeline(sample: Any) -> None:
    assert timeline(sample.with_summary(stages=()).summary) is None


def test_attempts_without_length_stay_visible() -> None:
    line = timeline(run_of((5, 5), (5, 4)))
    assert line is not None
    assert all(bar.width > 0 for bar in line.rows[0].bars)


SPANS = st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e5)), min_size=1, max_size=8)


@given(SPANS)
def test_every_bar_lies_on_the_line_and_in_order(spans: list[tuple[float, float]]) -> None:
    line = timeline(run_of(*((1.7e9 + start, 1.7e9 + start + length) for start, length in spans)))
    assert line is not None
    bars = line.rows[0].bars
    assert all(0 <= bar.left <= 100 and bar.left + bar.width <= 100.51 for bar in bars)
    ordered = sorted(zip(spans, bars, strict=True), key=lambda pair: pair[0][0])
    lefts = [bar.left for _, bar in ordered]
    assert lefts == sorted(lefts)
    assert len(line.ticks) <= 7


def test_what_became_of_an_attempt_is_said_in_words() -> None:
    assert attempt_text(Attempt(1, 0, 1.2, "lost", "killed by signal 9")) == (
        "attempt 1: worker lost after 1.2 s (killed by signal 9)"
    )
    assert attempt_text(Attempt(2, 5, 5, "reused")) == "attempt 2: result of an earlier run reused"
