from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from j2k_dev.report.junit import junit
from tests.report import scenario_results as made

if TYPE_CHECKING:
    from j2k_dev.model.scenario import ScenarioResult

# What Jenkins' xUnit plugin lets each element have (junit-10.xsd); it refuses files with anything else.
ALLOWED = {
    "testsuites": (set(), {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
        {"properties", "testcase", "system-out"},
    ),
    "properties": (set(), {"property"}),
    "property": ({"name", "value"}, set()),
    "testcase": ({"name", "classname", "time"}, {"failure", "error", "skipped", "system-out"}),
    "failure": ({"message", "type"}, set()),
    "error": ({"message", "type"}, set()),
    "skipped": ({"message"}, set()),
    "system-out": (set(), set()),
}


def suite(*results: ScenarioResult) -> ET.Element:
    (found,) = ET.fromstring(junit(results, made.not_run()))
    return found


def case(suite: ET.Element, name: str) -> ET.Element:
    (found,) = [case for case in suite.findall("testcase") if case.get("name") == name]
    return found


@pytest.fixture(scope="module")
def all_kinds() -> ET.Element:
    return suite(*made.all_kinds())


@pytest.mark.parametrize("results", [(), made.all_kinds(), (made.hostile(),)], ids=["none", "all", "hostile"])
def test_only_what_strict_readers_allow_is_in_it(results: tuple[ScenarioResult, ...]) -> None:
    for element in ET.fromstring(junit(results, made.not_run())).iter():
        attributes, children = ALLOWED[element.tag]
        assert set(element.attrib) <= attributes
        assert {child.tag for child in element} <= children


def test_the_counts_are_those_of_the_cases(all_kinds: ET.Element) -> None:
    counts = {name: int(all_kinds.get(name) or -1) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": 8, "failures": 1, "errors": 2, "skipped": 2}
    cases = all_kinds.findall("testcase")
    assert len(cases) == counts["tests"]
    assert sum(case.find("failure") is not None for case in cases) == counts["failures"]
    assert sum(case.find("error") is not None for case in cases) == counts["errors"]
    assert sum(case.find("skipped") is not None for case in cases) == counts["skipped"]
    assert all_kinds.get("timestamp") == "2025-03-03T11:06:38"
    assert all_kinds.get("time") == f"{sum(result.seconds for result in made.all_kinds()):.3f}"


def test_broken_is_a_failure_with_what_did_not_hold(all_kinds: ET.Element) -> None:
    failure = case(all_kinds, "kill-worker-stage-3").find("failure")
    assert failure is not None
    text = failure.text or ""
    assert text.startswith(failure.get("message") or "no message")
    assert "publications: expected one per stage, seen fit 0, report 0" in text
    assert "order: stage report started cell 13" in text
    assert "attempts: expected" not in text


def test_invalid_is_an_error_and_says_why_the_fault_did_not_bite(all_kinds: ET.Element) -> None:
    error = case(all_kinds, "hang-stage-1").find("error")
    assert error is not None
    assert error.get("type") == "invalid"
    assert "No verdict" in (error.get("message") or "")
    assert "stop, no proof that it happened: SIGSTOP went to process 4100" in (error.text or "")


def test_survived_and_survived_late_pass(all_kinds: ET.Element) -> None:
    for name in ("kill-stage-3", "restart-broker"):
        assert [child.tag for child in case(all_kinds, name)] == ["system-out"]
    assert "recovery: 34 s (15 s allowed)" in (case(all_kinds, "restart-broker").findtext("system-out") or "")
    assert case(all_kinds, "restart-broker").get("classname") == "scenarios.kind"


def test_what_was_not_run_is_skipped_with_the_reason(all_kinds: ET.Element) -> None:
    skipped = case(all_kinds, "drain-node").find("skipped")
    assert skipped is not None
    assert skipped.text == skipped.get("message") == "It needs 3 nodes; this sandbox has 1."


def test_recovery_and_run_are_properties_and_only_where_a_fault_was_proved(all_kinds: ET.Element) -> None:
    found = {each.get("name"): each.get("value") for each in all_kinds.iter("property")}
    assert found["kill-stage-3.recovery_seconds"] == "0.194"
    assert found["kill-stage-3.recovery_allowed_seconds"] == "3.000"
    assert found["kill-stage-3.run"] == made.RUN
    assert "hang-stage-1.recovery_seconds" not in found
    assert "kill-worker-stage-3.recovery_seconds" not in found


def test_a_scenario_that_was_run_twice_is_two_cases() -> None:
    twice = suite(made.survived(), replace(made.survived(), run="other"))
    assert [case.get("name") for case in twice.findall("testcase")][:2] == ["kill-stage-3", "kill-stage-3 (2)"]


def test_what_xml_cannot_write_is_left_out_and_markup_stays_text() -> None:
    broken = suite(made.hostile()).find("testcase/failure")
    assert broken is not None
    assert made.LONG in (broken.text or "")
    assert broken.get("message") == f"It did not survive: {made.LONG}?."
