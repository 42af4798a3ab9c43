from __future__ import annotations

import base64
import html
import json
import re
from typing import Any

import pytest

from j2k_dev.report.outputs import Rendered, error_html, render_outputs

BREAKOUT = "</script><script>alert(1)</script>"
PNG = "iVBORw0KGgo="


def stream(text: Any, name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text}


def bundle(data: dict[str, Any], metadata: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"output_type": "display_data", "data": data, "metadata": metadata or {}}


def shown(*outputs: dict[str, Any]) -> Rendered:
    (rendered,) = render_outputs(outputs, "cell 5")
    return rendered


def test_pieces_of_one_stream_are_joined_and_the_other_stream_is_kept_apart() -> None:
    outputs = [stream("a"), stream(["b\n", "c"]), stream("warn", "stderr"), stream("d")]
    assert [(r.kind, r.html.striptags()) for r in render_outputs(outputs, "x")] == [
        ("stdout", "ab c"),
        ("stderr", "warn"),
        ("stdout", "d"),
    ]


@pytest.mark.parametrize(
    "output",
    [
        stream(BREAKOUT),
        bundle({"text/plain": BREAKOUT}),
        bundle({"text/latex": BREAKOUT}),
        bundle({"text/markdown": BREAKOUT}),
        bundle({"text/html": BREAKOUT}),
        bundle({"image/svg+xml": f"<svg>{BREAKOUT}</svg>"}),
        bundle({"image/png": f'"{BREAKOUT}', "text/plain": BREAKOUT}),
        bundle({"application/json": {BREAKOUT: [BREAKOUT]}}),
        bundle({"application/javascript": BREAKOUT}),
        bundle({BREAKOUT: BREAKOUT}),
        bundle({"image/png": PNG}, {"image/png": {"width": f'"{BREAKOUT}'}}),
        {"output_type": "error", "ename": BREAKOUT, "evalue": BREAKOUT, "traceback": []},
        {"output_type": "error", "ename": "x", "evalue": "y", "traceback": [BREAKOUT]},
    ],
)
def test_no_output_puts_a_script_on_the_page(output: dict[str, Any]) -> None:
    assert "<script" not in shown(output).html


def test_images_keep_their_size_and_carry_a_text_for_those_who_cannot_see_them() -> None:
    rendered = shown(bundle({"image/png": PNG + "\n", "text/plain": "<Figure>"}, {"image/png": {"width": 320}}))
    assert rendered.html == (
        f'<img class="figure" src="data:image/png;base64,{PNG}" alt="Figure of cell 5" width="320">'
    )


def test_svg_is_an_image_of_its_own_so_its_scripts_cannot_run() -> None:
    (data,) = re.findall(r"base64,([^\"]+)", shown(bundle({"image/svg+xml": ["<svg>", "</svg>"]})).html)
    assert base64.b64decode(data) == b"<svg></svg>"


def test_a_broken_image_falls_back_to_its_text() -> None:
    assert shown(bundle({"image/png": "no base64!", "text/plain": "<Figure>"})).html.striptags() == "<Figure>"


def test_tables_are_shown_inline_without_pandas_own_style_sheet() -> None:
    page = '<div><style scoped>x {}</style><table border="1" class="dataframe"><tr><td>1</td></tr></table></div>'
    rendered = shown(bundle({"text/html": page, "text/plain": "1"}))
    assert '<table border="1" class="dataframe">' in rendered.html
    assert "style" not in rendered.html


def test_html_with_scripts_goes_into_a_frame() -> None:
    rendered = shown(bundle({"text/html": "<p id=a></p><script>a.textContent = 'x'</script>"}))
    assert rendered.scripted
    assert rendered.html.startswith("<iframe")


def test_html_with_its_own_style_sheet_goes_into_a_frame_that_runs_nothing() -> None:
    rendered = shown(bundle({"text/html": "<style>td {color: red}</style><table></table>"}))
    assert rendered.html.startswith("<iframe")
    assert not rendered.scripted


def test_html_that_needs_the_network_shows_the_next_best_and_says_so() -> None:
    page = '<script src="https://cdn.example.org/x.js"></script>'
    rendered = shown(bundle({"text/html": page, "image/png": PNG, "text/plain": "Chart()"}))
    assert "<img" in rendered.html
    assert "loads code from the network" in rendered.html
    alone = shown(bundle({"text/html": page})).html
    assert "HTML source" in alone
    assert page in html.unescape(alone)


def test_html_with_a_picture_from_elsewhere_says_where_it_was() -> None:
    assert "[image: plot.png]" in shown(bundle({"text/html": '<img src="plot.png">', "text/plain": "x"})).html


def test_widgets_fall_back_to_their_text_and_say_so() -> None:
    rendered = shown(bundle({"application/vnd.jupyter.widget-view+json": {}, "text/plain": "IntSlider(value=3)"}))
    assert "IntSlider(value=3)" in rendered.html
    assert "live widget" in rendered.html


def test_latex_is_shown_as_readable_source() -> None:
    assert shown(bundle({"text/latex": "$x^2$", "text/plain": "x**2"})).html == '<pre class="math">$x^2$</pre>'


def test_json_is_laid_out() -> None:
    data = {"names": ["ä", 1]}
    assert json.loads(html.unescape(re.sub("<[^>]*>", "", shown(bundle({"application/json": data})).html))) == data


def test_javascript_is_not_run_but_can_be_read() -> None:
    rendered = shown(bundle({"application/javascript": "alert(1)"}))
    assert "not run here" in rendered.html
    assert "alert" in rendered.html


def test_an_unknown_output_is_named() -> None:
    assert "application/pdf" in shown(bundle({"application/pdf": "x"})).html
    assert "nothing" in shown(bundle({})).html


def test_results_carry_their_number() -> None:
    output = {**bundle({"text/plain": "1"}), "output_type": "execute_result", "execution_count": 4}
    assert shown(output).prompt == "[4]"


def test_long_texts_scroll_and_very_long_ones_say_what_is_left_out() -> None:
    assert 'class="scroll"' in shown(stream("line\n" * 100)).html
    rendered = shown(stream("start" + "x" * 1_000_000 + "end"))
    assert len(rendered.html) < 150_000
    assert rendered.html.striptags().startswith("start")
    assert rendered.html.striptags().endswith("end")
    assert "900 KB left out here" in rendered.html


def test_errors_keep_jupyters_colours() -> None:
    assert '<span class="t-f1">ValueError</span>: x' in error_html(["\x1b[31mValueError\x1b[39m: x"], "ValueError", "x")
    assert "ValueError: few rows" in error_html([], "ValueError", "few rows")
