from __future__ import annotations

from j2k_dev.report.code import highlighted


def test_python_and_ipythons_own_syntax_are_coloured_without_errors() -> None:
    html = highlighted("%matplotlib inline\n!ls -l\nx = df?\nprint('<b>')")
    assert 'class="err"' not in html
    assert "&lt;b&gt;" in html


def test_other_languages_are_coloured_and_unknown_ones_only_escaped() -> None:
    assert "<span" in highlighted("f <- function(x) x", "R")
    assert highlighted("a < b", "no such language") == "a &lt; b"


def test_code_keeps_its_lines_and_cannot_break_out() -> None:
    source = "\n\nx = '</script><script>alert(1)</script>'\n\n\ny"
    html = highlighted(source)
    assert html.striptags() != ""
    assert "<script" not in html
    assert html.count("\n") == source.count("\n")


def test_very_long_code_is_not_coloured() -> None:
    assert highlighted("x = 1\n" * 50_000).startswith("x = 1\n")
