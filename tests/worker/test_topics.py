"""The names of topics: readable, and such that Kafka takes them."""

from __future__ import annotations

import re

import pytest

from j2k_dev.worker.bus import Topics

WHAT_KAFKA_TAKES = re.compile(r"[A-Za-z0-9._-]{1,249}")


def test_valid_names_stay_as_they_are() -> None:
    topics = Topics("analysis")
    assert topics.all(["load", "fit_2"]) == (
        "analysis.stage.load",
        "analysis.stage.fit_2",
        "analysis.results",
        "analysis.dead-letters",
    )


@pytest.mark.parametrize("text", ["Daten laden", "Größe", "数据", "a/b", "x" * 300, "..", ".", "", "a\nb", "-"])
def test_any_stage_and_any_pipeline_has_names_that_kafka_takes(text: str) -> None:
    assert all(WHAT_KAFKA_TAKES.fullmatch(name) for name in Topics(text).all([text]))


def test_different_names_stay_different() -> None:
    texts = ["a b", "a-b", "a  b", "a/b", "ä b", "x" * 300, "x" * 301, "a", "A"]
    assert len({Topics("p").stage(text) for text in texts}) == len(texts)
