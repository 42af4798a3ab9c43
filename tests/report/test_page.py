from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import pytest

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.report.html import report_page
from j2k_dev.report.page import Page, render_page, write_page

if TYPE_CHECKING:
    from pathlib import Path


def page_of(sample: Any) -> Page:
    return report_page(sample.notebook, sample.summary, sample.pipeline, sample.recording)


def policy(page: str) -> str:
    (found,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    return str(found).replace("&#39;", "'")


def test_the_policy_lets_nothing_be_fetched_and_no_foreign_script_run(sample: Any) -> None:
    page = page_of(sample)
    framed_only = Page(page.template, page.title, page.context, framed=True, scripted=False)
    assert policy(render_page(framed_only)).startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-inline' 'unsafe-eval" not in policy(render_page(framed_only))
    plain = Page(page.template, page.title, page.context)
    assert "script-src 'none'" in policy(render_page(plain))
    assert "http" not in policy(render_page(plain))


def test_a_page_without_frames_has_no_script(sample: Any) -> None:
    page = page_of(sample)
    assert "<script" not in render_page(Page(page.template, page.title, {**page.context, "stages": ()}))


def test_a_page_replaces_the_old_one_whole_and_leaves_nothing_beside_it(sample: Any, tmp_path: Path) -> None:
    target = tmp_path / "new" / "report.html"
    write_page(page_of(sample), target)
    write_page(page_of(sample), target)
    assert [path.name for path in target.parent.iterdir()] == ["report.html"]
    assert target.read_text(encoding="utf-8").rstrip().endswith("</html>")


def test_a_place_that_cannot_be_written_is_named_with_a_way_out(sample: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MachineryFailed, match=r"report\.html could not be written") as caught:
        write_page(page_of(sample), tmp_path / "file" / "report.html")
    assert "--workspace" in caught.value.way_out


def test_a_write_that_fails_leaves_the_old_page_and_no_part(
    sample: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "report.html"
    target.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(MachineryFailed, match="No space left"):
        write_page(page_of(sample), target)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert target.read_text() == "old"


def test_a_lone_surrogate_does_not_stop_the_page(sample: Any, tmp_path: Path) -> None:
    page = page_of(sample)
    write_page(Page(page.template, "broken \udc80 title", page.context), tmp_path / "report.html")
    assert "broken ? title" in (tmp_path / "report.html").read_text(encoding="utf-8")
