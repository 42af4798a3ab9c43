from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from j2k_dev.report.sanitise import sanitise

BREAKOUT = "</script><script>alert(1)</script>"


@pytest.mark.parametrize(
    "html",
    [
        "<b>bold</b> and <i>more</i>",
        '<table border="1" class="dataframe"><tr><td colspan="2">1 &lt; 2</td></tr></table>',
        '<a href="https://example.org/?a=1&amp;b=2" rel="noopener noreferrer">x</a>',
        '<img src="data:image/png;base64,AAAA" alt="plot">',
        '<audio controls=""><source src="data:audio/wav;base64,AAAA" type="audio/wav"></audio>',
        '<span style="color:red;font-weight:bold">x</span>',
    ],
)
def test_harmless_html_stays_as_it_is(html: str) -> None:
    clean = sanitise(html)
    assert clean.html == html
    assert not clean.lost


@pytest.mark.parametrize(
    ("html", "left", "lost"),
    [
        (f"a{BREAKOUT}b", "ab", "script"),
        ("<svg><script>x</script></svg>after", "after", "svg"),
        ("<style>body {display: none}</style>a", "a", "style"),
        ('<b onclick="x()">b</b>', "<b>b</b>", "onclick"),
        ('<a href="javascript:x()">b</a>', "<a>b</a>", "a href"),
        ('<a href="java\nscript:x()">b</a>', "<a>b</a>", "a href"),
        ('<a href="&#106;avascript:x()">b</a>', "<a>b</a>", "a href"),
        ('<a href="data:text/html,x">b</a>', "<a>b</a>", "a href"),
        ('<iframe src="//evil"></iframe>a', "a", "iframe"),
        ('<p style="background:url(http://evil)">a</p>', "<p>a</p>", "style"),
        ('<p style="position:fixed;color:red">a</p>', '<p style="color:red">a</p>', "style"),
        ('<form action="x"><button>b</button></form>', "b", "form"),
        ('<img src="https://evil/pixel.png" alt="a picture">', "<i>[image: a picture]</i>", "img src"),
        ('<img src="x" onerror="alert(1)">', "<i>[image: x]</i>", "img src"),
        ("<!-- <script>x</script> -->a", "a", None),
        ("<?php x ?>a<!doctype html>", "a", None),
    ],
)
def test_what_could_do_harm_is_taken_out_and_named(html: str, left: str, lost: str | None) -> None:
    clean = sanitise(html)
    assert clean.html == left
    assert lost is None or lost in clean.lost


def test_the_scoped_style_of_a_pandas_table_is_no_loss() -> None:
    assert not sanitise("<div><style scoped>.dataframe td {color: red}</style><table></table></div>").lost


def test_ids_and_links_to_them_get_a_prefix_and_cannot_take_the_pages_own() -> None:
    assert sanitise('<h2 id="top">a</h2><a href="#top">b</a>').html == (
        '<h2 id="nb-top">a</h2><a href="#nb-top" rel="noopener noreferrer">b</a>'
    )


def test_classes_of_the_page_cannot_be_borrowed() -> None:
    assert sanitise('<p class="verdict equal k">x</p>').html == '<p class="k">x</p>'


def test_what_is_left_open_is_closed_and_stray_ends_are_dropped() -> None:
    assert sanitise("</div></section><div><b>x").html == "<div><b>x</b></div>"
    assert sanitise("<div><b>x</div>y").html == "<div><b>x</b></div>y"


class _Balance(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.update((tag, *(name for name, _ in attrs)))
        if tag not in {"br", "img", "hr", "col", "wbr", "source"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


TAGS = ("<div>", "</div>", "<b onload=x>", "</b>", "<script>", "</script>", "<svg/onload=x>", "<br/>")
BROKEN = ("<style", ">", "</", "<!--", "-->", "<", '"', "'", "=x ", "text", "&lt;script&gt;")
MEDIA = ("<a href='javascript:x'>", "<img src=x onerror=x>")
PIECES = st.sampled_from((*TAGS, *BROKEN, *MEDIA))


@given(st.lists(PIECES, max_size=14).map("".join))
def test_whatever_comes_in_what_comes_out_is_balanced_and_on_the_list(html: str) -> None:
    balance = _Balance()
    balance.feed(sanitise(html).html)
    balance.close()
    assert balance.open == []
    assert balance.seen <= {"div", "b", "a", "img", "br", "i", "src"}
