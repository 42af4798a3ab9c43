from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from j2k_dev.report.ansi import ansi_html, overwritten, plain_text, strip_ansi


def test_text_without_escapes_is_only_escaped_for_html() -> None:
    assert ansi_html("a < b & c\n") == "a &lt; b &amp; c\n"


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("\x1b[31mred\x1b[0m.", '<span class="t-f1">red</span>.'),
        ("\x1b[1;92mbright", '<span class="t-bold t-f10">bright</span>'),
        ("\x1b[43mmarked\x1b[49m.", '<span class="t-b3">marked</span>.'),
        ("\x1b[38;5;196mx\x1b[39m", '<span class="" style="color:#ff0000">x</span>'),
        ("\x1b[38;5;9mx", '<span class="t-f9">x</span>'),
        ("\x1b[48;2;1;2;300mx", '<span class="" style="background-color:#0102ff">x</span>'),
        ("\x1b[38;5;250mx", '<span class="" style="color:#bcbcbc">x</span>'),
        ("\x1b[1mb\x1b[22mn", '<span class="t-bold">b</span>n'),
    ],
)
def test_colours_become_spans(text: str, html: str) -> None:
    assert ansi_html(text) == html


@pytest.mark.parametrize(
    "sequence", ["\x1b[38m", "\x1b[38;5m", "\x1b[38;2;1m", "\x1b[38;5;999m", "\x1b[999m", "\x1b[m"]
)
def test_unknown_and_broken_sequences_leave_the_text(sequence: str) -> None:
    assert ansi_html(f"{sequence}text").striptags() == "text"


def test_cursor_movement_titles_and_control_characters_are_left_out() -> None:
    assert ansi_html("\x1b[2K\x1b]0;title\x07a\x1b[1A\x00b\x07") == "ab"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("pass 1\rpass 2\rdone", "done 2"),
        ("10%\r20%\r\n", "20%\n"),
        ("a\r\nb", "a\nb"),
        ("abc\b\bX", "aX"),
        ("\b\bx", "x"),
        ("untouched\n", "untouched\n"),
    ],
)
def test_progress_bars_show_their_last_state(text: str, shown: str) -> None:
    assert overwritten(text) == shown


@given(st.text(alphabet=st.sampled_from("a<&>\"'\x1b[0;13mK\r\b\n"), max_size=40))
def test_no_text_can_open_a_tag_of_its_own(text: str) -> None:
    html = str(ansi_html(text))
    assert html.count("<") == html.count("<span") + html.count("</span>")
    assert html.count("<span") == html.count("</span>")


def test_a_terminal_is_never_sent_what_it_would_obey() -> None:
    assert plain_text("\x1b]0;evil\x07a\x1b[2Jb\x1b[31mc\r\n\udc80") == "abc\n?"
    assert strip_ansi("\x1b[31mred\x1b[0m") == "red"
