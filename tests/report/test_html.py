from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from j2k_dev.model.recording import PROCESS_ENDED, CellError
from j2k_dev.report.html import report_page, write_report
from j2k_dev.report.page import render_page
from tests.report.outline import outline, words

if TYPE_CHECKING:
    from pathlib import Path


def rendered(sample: Any) -> str:
    return render_page(report_page(sample.notebook, sample.summary, sample.pipeline, sample.recording))


@pytest.fixture(scope="module", params=["sample", "different", "failed"])
def page(request: pytest.FixtureRequest) -> str:
    return rendered(request.getfixturevalue(request.param))


def test_every_page_is_well_formed_and_its_links_lead_somewhere(page: str) -> None:
    parser = outline(page)
    assert len(parser.ids) == len(set(parser.ids))
    assert set(parser.links) - {"#"} <= {f"#{name}" for name in parser.ids}


def test_no_text_of_the_notebook_becomes_a_script(page: str) -> None:
    assert outline(page).scripts == 1
    assert "</script><script>alert(1)</script>" in html.unescape(page.partition("<body>")[2])


def test_nothing_on_the_page_is_fetched(page: str) -> None:
    assert not re.search(r"\bsrc=\"(?!data:)", page)
    assert "@import" not in page
    assert "url(" not in page


def test_the_verdict_leads_in_words(sample: Any) -> None:
    text = words(rendered(sample))
    assert "Equal Every output of the pipeline is what the notebook itself gives." in text
    assert "1 worker was lost in fit and replaced" in text
    assert "<title>equal · oscillations.ipynb — j2k</title>" in rendered(sample)


def test_stages_are_marked_in_the_notebook_with_what_crossed_into_them(sample: Any) -> None:
    page = rendered(sample)
    assert "fit cells 6-8 · 7.9 s · 2 attempts" in words(page)
    assert "↓ 57 MB from load: frame DataFrame, 41 MB" in words(page)
    assert page.index('id="stage-fit"') < page.index('id="cell-5"') < page.index('id="cell-6"')


def test_a_heading_goes_with_the_code_it_announces(sample: Any) -> None:
    page = report_page(sample.notebook, sample.summary, sample.pipeline, sample.recording)
    assert [[cell.index for cell in stage.cells] for stage in page.context["stages"]] == [
        [0, 1],
        [2, 3, 4],
        [5, 6, 7, 8],
        [9, 10, 11, 12],
    ]


def test_unstable_cells_are_marked_in_the_summary_and_at_the_cell(sample: Any) -> None:
    page = rendered(sample)
    assert '<a href="#cell-7">cell 7</a>' in page
    cell = page[page.index('id="cell-7"') : page.index('id="cell-8"')]
    assert "unstable" in cell


def test_differences_show_both_values_and_mark_the_words_that_differ(different: Any) -> None:
    page = rendered(different)
    assert "std 0.<mark>8216</mark>" in page
    assert "std 0.<mark>8217</mark>" in page
    assert "<pre>PNG 640x360</pre>" in page
    cell = page[page.index('id="cell-3"') : page.index('id="cell-4"')]
    assert "differs from the notebook" in cell


def test_a_failed_cell_shows_its_traceback_and_what_did_not_run(failed: Any) -> None:
    page = rendered(failed)
    assert 'Raised in <a href="#cell-10">cell 10</a>' in page
    cell = page[page.index('id="cell-10"') : page.index('id="cell-11"')]
    assert "raised ZeroDivisionError" in cell
    assert '<span class="t-f1">ZeroDivisionError</span>: division by zero' in cell
    assert "not run" in page[page.index('id="cell-11"') :]


def test_lost_attempts_are_told_without_a_mouse(sample: Any) -> None:
    assert "attempt 1: worker lost after 2.3 s (killed by signal 9)" in words(rendered(sample))


def test_a_stage_that_never_ran_says_so(failed: Any) -> None:
    last = replace(failed.summary.stages[-1], attempts=0, history=())
    stages = (*failed.summary.stages[:-1], last)
    assert "cells 10-11 · not run" in words(rendered(failed.with_summary(stages=stages)))


def test_parameters_and_notes_are_shown_escaped(sample: Any) -> None:
    page = rendered(sample.with_summary(parameters={"n": 3, "<b>": "<i>"}, notes=("<u>note</u>",)))
    assert "n = 3 <b> = <i>" in words(page).replace("  ", " ") or "&lt;b&gt; = &lt;i&gt;" in page
    assert "&lt;u&gt;note&lt;/u&gt;" in page


def test_a_run_that_failed_before_its_first_stage_has_a_page(sample: Any, tmp_path: Path) -> None:
    pipeline = replace(sample.pipeline, stages=(), edges=())
    summary = sample.with_summary(verdict="failed", failure="Disk full.", stages=()).summary
    write_report({"cells": []}, summary, pipeline, sample.recording, tmp_path / "report.html")
    text = words((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "Failed Disk full." in text


def test_a_notebook_of_another_language_is_coloured_as_that(sample: Any) -> None:
    cell = {"cell_type": "code", "source": ["f <- function(x)\n", "  x"], "execution_count": 1, "outputs": []}
    notebook = {"metadata": {"kernelspec": {"language": "R"}}, "cells": [{"cell_type": "raw", "source": "<r>"}, cell]}
    page = rendered(replace(sample, notebook=notebook))
    assert '<span class="kr">function</span>' in page
    assert "&lt;r&gt;" in page


def test_a_recording_that_raised_shows_the_notebook_and_no_stages(failed: Any) -> None:
    page = rendered(failed.with_summary(stages=()))
    found = outline(page)
    assert {"pipeline-title", "stages-title", "timeline-title"}.isdisjoint(found.ids)
    assert {link.removeprefix("#") for link in found.links} <= set(found.ids)
    assert "raised ZeroDivisionError" in words(page)
    assert "not run" in words(page)  # the cell after it; no stage says so of itself
    assert words(page).count("not run") == 1


def test_a_cell_that_ended_its_process_is_marked_and_told_once(failed: Any) -> None:
    error = CellError(10, PROCESS_ENDED, "the cell's process was killed by SIGKILL", ())
    page = words(rendered(failed.with_summary(stages=(), error=error)))
    assert "ended its own process" in page
    assert page.count("SIGKILL") == 1
