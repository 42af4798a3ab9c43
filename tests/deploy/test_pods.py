"""From a pipeline to the pods of its stages."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from j2k_dev.deploy.pods import WORKER_BYTES, dns_label, plan_pods, reads_for, resources_of
from tests.deploy.made import IMAGES, PIPELINE, stage


def test_each_stage_sends_to_the_next_and_the_last_one_to_the_results() -> None:
    load, fit, plot = plan_pods(PIPELINE, IMAGES, "/home/ada/work")
    assert (load.role, fit.role, plot.role) == ("first", "middle", "last")
    assert (load.output_topic, fit.input_topic) == ("weather.stage.fit", "weather.stage.fit.0123456789ab")
    assert (fit.output_topic, plot.input_topic) == ("weather.stage.plot", "weather.stage.plot.0123456789ab")
    assert plot.output_topic == plot.results_topic == "weather.results"
    assert {pod.dead_letter_topic for pod in (load, fit, plot)} == {"weather.dead-letters"}


def test_a_pod_is_told_its_topics_in_its_environment() -> None:
    load = plan_pods(PIPELINE, IMAGES, "/home/ada/work")[0]
    assert load.environment == {
        "J2K_STAGE": "load",
        "INPUT_TOPIC": "weather.stage.load.0123456789ab",
        "OUTPUT_TOPIC": "weather.stage.fit",
        "RESULTS_TOPIC": "weather.results",
        "DEAD_LETTER_TOPIC": "weather.dead-letters",
    }


def test_memory_follows_the_peak_that_the_recording_measured() -> None:
    small, large = resources_of(stage("a", 0, peak=0)), resources_of(stage("b", 1, peak=4 << 30))
    assert small.memory_request == WORKER_BYTES
    assert large.memory_request >= (4 << 30) + WORKER_BYTES
    assert large.memory_limit >= large.memory_request + (2 << 30)


def test_a_peak_that_differs_a_little_changes_nothing_of_the_pods() -> None:
    assert resources_of(stage("a", 0, peak=100 << 20)) == resources_of(stage("a", 0, peak=101 << 20))


def test_memory_that_was_asked_for_is_reserved_whole() -> None:
    load, fit, _ = plan_pods(PIPELINE, IMAGES, "/home/ada/work", memory={"fit": 3 << 30})
    assert fit.resources.memory_request == fit.resources.memory_limit == 3 << 30
    assert load.resources == resources_of(PIPELINE.stages[0])


def test_pods_of_another_image_listen_to_another_topic() -> None:
    edited = IMAGES | {"fit": IMAGES["fit"].replace("sha256:0123", "sha256:ffff")}
    before, after = plan_pods(PIPELINE, IMAGES, "/home/ada/work"), plan_pods(PIPELINE, edited, "/home/ada/work")
    assert before[1].input_topic != after[1].input_topic
    assert [reads_for(after[1].input_topic, images["fit"]) for images in (IMAGES, edited)] == [False, True]
    assert (before[0], before[2]) == (after[0], after[2]), "the stages before and after it stay as they are"


def test_a_limit_on_cells_is_told_to_the_workers() -> None:
    assert plan_pods(PIPELINE, IMAGES, "/home/ada/work", 1.5)[0].environment["J2K_TIMEOUT"] == "1.5"


@pytest.mark.parametrize(
    ("text", "label"),
    [("Load data", "load-data"), ("--x--", "x"), ("", "x"), ("Größe", "gr-e"), ("a" * 80, "a" * 63)],
)
def test_any_text_becomes_a_name_that_kubernetes_takes(text: str, label: str) -> None:
    assert dns_label(text) == label


@given(st.text())
def test_no_text_becomes_a_name_that_kubernetes_refuses(text: str) -> None:
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", dns_label(text))
