from __future__ import annotations

import html
import re

import pytest

from j2k_dev.report.frames import MEASURE, framed, needs_network


@pytest.mark.parametrize(
    "page",
    [
        '<script src="https://cdn.plot.ly/plotly.js"></script>',
        "<script type=module src='//cdn.example.org/x.js'>",
        '<link rel="stylesheet" href="https://cdn.example.org/x.css">',
        '<iframe width="400" src="https://www.youtube.com/embed/x"></iframe>',
        '<script>require(["plotly"], function(Plotly) {})</script>',
        '<script type="module">import "https://esm.sh/x"</script>',
    ],
)
def test_html_that_needs_the_network_is_recognised(page: str) -> None:
    assert needs_network(page)


@pytest.mark.parametrize(
    "page",
    ['<a href="https://example.org">x</a>', "<script>let a = 'https://x'</script>", '<img src="data:image/png;x">'],
)
def test_links_and_addresses_in_text_do_not_need_the_network(page: str) -> None:
    assert not needs_network(page)


def test_a_frame_is_sandboxed_without_an_origin_and_cannot_be_broken_out_of() -> None:
    evil = "\"></iframe><script>alert(1)</script>'"
    frame = framed(evil, 'cell "5"')
    assert frame.scripted
    assert frame.html.count("<") == 2
    assert 'sandbox="allow-scripts"' in frame.html
    assert 'title="cell &#34;5&#34;"' in frame.html
    (inner,) = re.findall(r'srcdoc="([^"]*)"', frame.html)
    assert evil in html.unescape(inner)
    assert MEASURE in html.unescape(inner)


@pytest.mark.parametrize(("page", "scripted"), [("<style>a{}</style>", False), ("<b onclick=x>", True)])
def test_only_frames_with_scripts_ask_for_them(page: str, *, scripted: bool) -> None:
    assert framed(page, "x").scripted is scripted
