from __future__ import annotations

import time

import pytest

from j2k_dev.report.units import cell_name, cell_ranges, human_bytes, human_date, human_seconds, plural, shortened


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 KB"),
        (1_500_000, "1.5 MB"),
        (9_949, "9.9 KB"),
        (9_999, "10 KB"),
        (999_499, "999 KB"),
        (999_500, "1 MB"),
        (57_300_000, "57 MB"),
        (2 * 10**15, "2 PB"),
        (5 * 10**18, "5000 PB"),
    ],
)
def test_sizes_have_two_or_three_digits_and_a_unit(count: int, text: str) -> None:
    assert human_bytes(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (-1, "0 s"),
        (0.0004, "0.4 ms"),
        (0.34, "340 ms"),
        (0.9996, "1 s"),
        (2.1, "2.1 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (184, "3 min 4 s"),
        (3599.7, "1 h"),
        (7500, "2 h 5 min"),
        (97_200, "1 d 3 h"),
    ],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert human_seconds(seconds) == text


def test_moments_name_their_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    try:
        assert human_date(1_741_000_000.0) == "2025-03-03 12:06:40 CET"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("cells", "text"),
    [((), "no cells"), ((3,), "cell 3"), ((4, 0, 1, 2, 7, 4), "cells 0-2, 4, 7"), (range(5), "cells 0-4")],
)
def test_cells_are_listed_as_ranges(cells: tuple[int, ...], text: str) -> None:
    assert cell_ranges(cells) == text


def test_a_cell_is_named_by_its_index_as_run_json_has_it() -> None:
    assert cell_name(5) == "cell 5"


def test_counts_have_the_right_number() -> None:
    assert (plural(1, "stage"), plural(1200, "stage"), plural(2, "boundary", "boundaries")) == (
        "1 stage",
        "1,200 stages",
        "2 boundaries",
    )


def test_long_names_with_the_same_beginning_stay_apart() -> None:
    names = [shortened(f"a-rather-long-name-for-part-{number}", 18) for number in (10, 11)]
    assert names[0] != names[1]
    assert all(len(name) == 18 for name in names)
    assert shortened("short", 5) == "short"
