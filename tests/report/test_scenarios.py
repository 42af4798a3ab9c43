from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from j2k_dev.report.page import render_page
from j2k_dev.report.scenarios import scenarios_page, write_scenarios
from tests.report import scenario_results as made
from tests.report.outline import outline, words

if TYPE_CHECKING:
    from pathlib import Path

    from j2k_dev.model.scenario import ScenarioResult


def rendered(*results: ScenarioResult) -> str:
    return render_page(scenarios_page(results, made.not_run() if len(results) > 1 else ()))


@pytest.fixture(scope="module")
def page() -> str:
    return rendered(*made.all_kinds())


def part(page: str, number: int) -> str:
    """Cut out what one scenario unfolds to."""
    found = re.search(rf'<details class="[^"]*" id="scenario-{number}".*?<p class="run-facts', page, re.DOTALL)
    assert found
    return found[0]


def test_the_page_is_well_formed_and_its_links_lead_somewhere(page: str) -> None:
    parser = outline(page)
    assert len(parser.ids) == len(set(parser.ids))
    assert set(parser.links) <= {f"#{name}" for name in parser.ids}


def test_the_page_has_no_script_and_fetches_nothing(page: str) -> None:
    assert outline(page).scripts == 0
    assert "script-src &#39;none&#39;" in page
    assert not re.search(r"\bsrc=|@import|url\(", html.unescape(page).replace("<img src=x", ""))


def test_the_summary_leaves_nothing_out(page: str) -> None:
    text = words(page)
    assert "<title>2 of 6 survived — j2k scenarios</title>" in page
    assert "2 survived with the expected results and in time, 1 survived late, 1 broke and 2 prove nothing" in text
    assert "Scenarios 6 run, 2 not run" in text
    assert "quickstart.ipynb, raises.ipynb" in text
    assert "Engine local, kind" in text


def test_what_did_not_survive_comes_first_the_worst_before_the_others(page: str) -> None:
    first = words(page[page.index('id="attention-title"') : page.index('id="scenarios"')])
    assert re.findall(r"[✗?◷] [a-z ]+(?= The)", first) == ["✗ broken", "? invalid", "? invalid", "◷ survived late"]


def test_a_page_of_what_survived_has_nothing_to_look_at_first() -> None:
    assert "Look at these first" not in rendered(made.survived(), made.raised())


@pytest.mark.parametrize("number", range(1, 7))
def test_each_row_says_its_verdict_in_a_word_beside_title_and_times(page: str, number: int) -> None:
    result = made.all_kinds()[number - 1]
    row = words(part(page, number).partition("</summary>")[0])
    assert re.match(rf". {result.verdict} {result.title} {result.scenario} recovery ", row)


def test_a_row_shows_recovery_beside_what_is_allowed(page: str) -> None:
    assert "recovery 194 ms of 3 s allowed attempts fit 2 2 cells run again took 11 s" in words(part(page, 1))
    assert "recovery none 6 s allowed" in words(part(page, 3))


def test_expectations_say_what_was_expected_and_seen_and_whether_they_hold(page: str) -> None:
    assert "✓ yes recovery within 3 s 194 ms" in words(part(page, 1))
    assert "✗ no publications one per stage fit 0, report 0" in words(part(page, 3))


def test_the_proof_of_a_fault_shows_before_and_after_and_what_changed(page: str) -> None:
    text = words(part(page, 1))
    assert (
        "1 kill of the process that runs the cells: stage fit, attempt 1, in cell 10 ✓ It happened. Process 4117"
        in text
    )
    assert "process 4117 gone changed" in text
    assert "worker fit-1 (4093) fit-1 (4093) as before" in text
    assert "Undone after 21 s." in words(part(page, 2))


def test_facts_that_were_seen_only_once_are_shown_too() -> None:
    struck = replace(made.survived().struck[0], before={"pod": "a"}, after={"node": "b"})
    text = words(rendered(replace(made.survived(), struck=(struck,))))
    assert "pod a not looked at node not looked at b " in text
    assert "changed" not in text


def test_violations_are_explained_and_named_as_on_the_timeline(page: str) -> None:
    text = words(part(page, 3))
    assert "A publish-before-forward A stage is passed on only after its result is published. fit-1 passed on" in text
    assert "violations A B" in text


def test_an_invalid_one_says_why_the_fault_did_not_bite(page: str) -> None:
    text = words(part(page, 4))
    assert "? Invalid. No verdict: process 4100 was sent SIGSTOP and was not stopped by it." in text
    assert "✗ No proof that it happened. SIGSTOP went to process 4100" in text
    assert "first progress" not in text
    assert "not known" in text
    assert "✗ No fault was made." in words(part(page, 5))


def test_what_does_not_fit_the_sandbox_says_what_it_needs(page: str) -> None:
    text = words(page[page.index('id="not-run-title"') :])
    assert "A node is drained in the middle of a run drain-node It needs 3 nodes; this sandbox has 1." in text


def test_the_history_is_told_from_the_fault_on_with_the_fault_in_it(page: str) -> None:
    rows = [words(row) for row in re.findall(r"<tr class=\"[^\"]*near[^\"]*\">.*?</tr>", part(page, 1), re.DOTALL)]
    (fault,) = [row for row in rows if " fault 1 " in row]
    assert fault.startswith("+0.000 s fit 1 fault 1 Process 4117")
    assert any(row.startswith("\N{MINUS SIGN}0.450 s") for row in rows)
    assert any(" ended lost, killed by SIGKILL " in row for row in rows)
    assert any(" restored took 28 ms " in row for row in rows)
    assert any("first progress" in row for row in rows)
    assert not any("clean" in row for row in rows)


def test_details_of_events_are_said_shortly() -> None:
    result = made.survived()
    taken = {**result.events[0], "detail": {"published": True, "to": ["a", "b"], "x": "", "seconds": 0.5}}
    text = words(rendered(replace(result, events=(taken, *result.events[1:]))))
    assert " taken published, to a b, took 500 ms load-1 " in text
    assert " ended published, by attempt 2 " in text


def test_a_run_that_was_made_anew_begins_in_the_history() -> None:
    result = made.survived()
    last = result.events[-1]["time"]
    anew = tuple({**line, "run": "other", "time": line["time"] + last - made.START} for line in result.events[:4])
    page = rendered(replace(result, events=(*result.events, *anew)))
    assert words(page).count(" another run other j2k ") == 1
    assert " another run " not in words(rendered(result))


def test_a_log_that_says_nothing_is_not_there() -> None:
    assert "Log of" not in rendered(replace(made.survived(), logs={"fit": "\n"}))


def test_long_logs_are_cut_at_their_beginning_and_colours_kept(page: str) -> None:
    text = part(page, 1)
    assert '<span class="t-f1">ended</span>' in text
    assert "the last lines, 140 before them left out" in words(text)
    assert "line 199" in text
    assert "line 139\n" not in text


def test_a_page_of_one_scenario_is_unfolded() -> None:
    page = rendered(made.survived())
    assert re.search(r'<details class="scenario tone-good" id="scenario-1" open>', page)
    assert words(page).count("The fault happened, and every expectation held.") == 1


def test_hostile_text_stays_text() -> None:
    page = rendered(made.hostile())
    parser = outline(page)
    assert parser.scripts == 0
    assert "<img src=x" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 10


def test_a_page_without_results_says_so() -> None:
    page = render_page(scenarios_page((), made.not_run()))
    assert "Nothing was run 2 scenarios were not run." in words(page)
    outline(page)


def test_a_history_beyond_all_bounds_is_cut_and_that_is_said() -> None:
    result = made.survived()
    many = replace(result, events=result.events * 40)
    assert re.search(r"[\d,]+ later events not shown here", words(rendered(many)))


def test_the_page_is_written_whole(tmp_path: Path) -> None:
    write_scenarios(made.all_kinds(), made.not_run(), tmp_path / "a" / "scenarios.html")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["scenarios.html"]
    assert (tmp_path / "a" / "scenarios.html").read_text(encoding="utf-8").endswith("</html>")
