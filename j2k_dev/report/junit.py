"""Verdicts on scenarios as JUnit XML, for the build servers that show such files.

There is no one standard. This keeps to what Jenkins' strictest schema (its xUnit plugin's ``junit-10.xsd``) allows,
so properties are the suite's and not the cases'; and the text of a failure begins with its message, because GitLab
shows the text alone. Of cases with the same name GitLab keeps the first, so names are made unique.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime, timezone
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from j2k_dev.report.ansi import plain_text
from j2k_dev.report.scenario_words import attempts, meaning, recomputed, recovery
from j2k_dev.report.units import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from j2k_dev.model.scenario import NotRun, ScenarioResult

_NOT_XML = re.compile("[\ufffe\uffff]")  # what is left of the characters that XML has no way to write


def junit(results: Sequence[ScenarioResult], not_run: Sequence[NotRun]) -> str:
    """Write all verdicts as one XML document: broken is a failure, invalid an error, what was not run is skipped."""
    suites = ET.Element("testsuites")
    suite = ET.SubElement(suites, "testsuite", _counts(results, not_run))
    names = _Names()
    cases = [(names.unique(result.scenario), result) for result in results]
    properties = ET.SubElement(suite, "properties")
    for name, result in cases:
        for what, value in _properties(result):
            ET.SubElement(properties, "property", {"name": f"{name}.{what}", "value": _text(value)})
    for name, result in cases:
        _case(suite, name, result)
    for scenario in not_run:
        case = _testcase(suite, names.unique(scenario.scenario), "scenarios", 0.0)
        ET.SubElement(case, "skipped", {"message": _text(scenario.why)}).text = _text(scenario.why)
    ET.indent(suites)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(suites, encoding="unicode")}\n'


class _Names:
    """Gives each case a name of its own."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def unique(self, scenario: str) -> str:
        """Give a name as it is the first time, and with a number after that."""
        name = _text(scenario)
        self._seen[name] += 1
        return name if self._seen[name] == 1 else f"{name} ({self._seen[name]})"


def _counts(results: Sequence[ScenarioResult], not_run: Sequence[NotRun]) -> dict[str, str]:
    verdicts = Counter(result.verdict for result in results)
    starts = [result.started for result in results if result.started]
    began = datetime.fromtimestamp(min(starts, default=0.0), timezone.utc)
    return {
        "name": "j2k scenarios",
        "tests": str(len(results) + len(not_run)),
        "failures": str(verdicts["broken"]),
        "errors": str(verdicts["invalid"]),
        "skipped": str(len(not_run)),
        "time": f"{sum(result.seconds for result in results):.3f}",
        "timestamp": began.strftime("%Y-%m-%dT%H:%M:%S"),
    }


def _properties(result: ScenarioResult) -> Iterable[tuple[str, str]]:
    yield "verdict", result.verdict
    yield "run", result.run
    yield "engine", result.engine
    yield "notebook", result.notebook
    if result.recovery is not None and result.verdict != "invalid":
        yield "recovery_seconds", f"{result.recovery:.3f}"
    if result.recovery_allowed is not None:
        yield "recovery_allowed_seconds", f"{result.recovery_allowed:.3f}"


def _case(suite: ET.Element, name: str, result: ScenarioResult) -> None:
    case = _testcase(suite, name, f"scenarios.{_text(result.engine)}", result.seconds)
    if result.verdict in {"broken", "invalid"}:
        kind = "failure" if result.verdict == "broken" else "error"
        message = _text(meaning(result))
        told = ET.SubElement(case, kind, {"type": result.verdict, "message": message})
        told.text = "\n".join([message, *_wrong(result)])
    ET.SubElement(case, "system-out").text = "\n".join(_said(result))


def _testcase(suite: ET.Element, name: str, group: str, seconds: float) -> ET.Element:
    return ET.SubElement(suite, "testcase", {"classname": group, "name": name, "time": f"{seconds:.3f}"})


def _wrong(result: ScenarioResult) -> Iterable[str]:
    """List what did not hold: expectations, promises, and faults without proof."""
    for check in result.checks:
        if not check.holds:
            yield _text(f"{check.what}: expected {check.expected}, seen {check.seen}")
    for violation in result.violations:
        yield _text(f"{violation.rule}: {violation.told}")
    for struck in result.struck:
        if not struck.bit:
            yield _text(f"{struck.fault}, no proof that it happened: {struck.told}")


def _said(result: ScenarioResult) -> Iterable[str]:
    yield _text(result.title)
    yield _text(f"{result.verdict}: {meaning(result)}")
    if text := recovery(result):
        yield f"recovery: {text}"
    yield _text(f"attempts: {attempts(result)}; {plural(recomputed(result), 'cell')} run again")
    for struck in result.struck:
        yield _text(f"{struck.fault}: {struck.told}")
    yield _text(f"run {result.run}, engine {result.engine}, {result.notebook}")


def _text(text: str) -> str:
    return _NOT_XML.sub("", plain_text(text))
