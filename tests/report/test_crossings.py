from __future__ import annotations

from typing import Any

from j2k_dev.report.crossings import crossing_views


def test_the_largest_names_come_first_and_the_rest_is_summed_up(sample: Any) -> None:
    _, middle, _ = crossing_views(sample.pipeline)
    assert [item.name for item in middle.largest] == ["frame", "raw", "names", "v0"]
    assert (middle.others, middle.others_bytes) == (8, 8 * 28)


def test_shares_are_of_the_largest_edge(sample: Any) -> None:
    assert [view.share for view in crossing_views(sample.pipeline)] == [0.0, 100.0, 100.0]
