"""Equal is said only of what means the same; every other thing is named, with both values."""

import base64
import copy
import io
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image
from sklearn.linear_model import LogisticRegression

from j2k_dev.model.run import CellDifference
from j2k_dev.notebook.compare import compare_cell, compare_notebook, unstable_cells

Output = dict[str, Any]


def stream(text: str, name: str = "stdout") -> Output:
    return {"output_type": "stream", "name": name, "text": text}


def display(data: dict[str, Any], **metadata: Any) -> Output:
    return {"output_type": "display_data", "data": data, "metadata": metadata}


def result(data: dict[str, Any], count: int = 1) -> Output:
    return {"output_type": "execute_result", "data": data, "metadata": {}, "execution_count": count}


def error(evalue: str, *traceback: str) -> Output:
    return {"output_type": "error", "ename": "ValueError", "evalue": evalue, "traceback": list(traceback)}


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> str:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return base64.encodebytes(file.getvalue()).decode()


def differing(expected: list[Output], actual: list[Output]) -> list[str]:
    return [difference.what for difference in compare_cell(0, expected, actual)]


def only(expected: list[Output], actual: list[Output]) -> CellDifference:
    (difference,) = compare_cell(7, expected, actual)
    assert difference.cell == 7
    assert len(difference.expected) <= 400
    assert len(difference.actual) <= 400
    return difference


# What a notebook can put out, made at random


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
streams = st.builds(stream, st.text(), st.sampled_from(["stdout", "stderr"]))
bundles = st.dictionaries(
    st.sampled_from(["text/plain", "text/html", "image/svg+xml", "text/latex", "image/png"]), st.text(), max_size=3
)
displays = st.builds(display, bundles) | st.builds(result, bundles)
data = st.builds(lambda value: display({"application/json": value}), json_values)
errors = st.builds(error, st.text(), st.text())
some_outputs = st.lists(streams | displays | data | errors, max_size=5)


@given(some_outputs)
def test_anything_is_equal_to_itself(outputs: list[Output]) -> None:
    assert compare_cell(0, outputs, copy.deepcopy(outputs)) == ()
    assert compare_cell(0, outputs, [*outputs[:-1], *map(dict, outputs[-1:])]) == ()


@settings(deadline=None)  # the first image imports Pillow
@given(some_outputs, some_outputs)
def test_the_order_of_the_two_sides_does_not_matter(one: list[Output], other: list[Output]) -> None:
    there, back = compare_cell(0, one, other), compare_cell(0, other, one)
    assert [(d.what, d.expected, d.actual) for d in there] == [(d.what, d.actual, d.expected) for d in back]


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "Zs"]), min_size=1), st.data())
def test_one_other_visible_character_is_exactly_one_difference(text: str, draw: st.DataObject) -> None:
    place = draw.draw(st.integers(0, len(text) - 1))
    changed = text[:place] + ("x" if text[place] != "x" else "y") + text[place + 1 :]
    for make, what in ((stream, "stdout"), (lambda t: display({"text/plain": t}), "text/plain"), (error, "error")):
        assert differing([make(text)], [make(changed)]) == [what]


def test_equal_cells_have_no_difference() -> None:
    outputs = [stream("a\n"), result({"text/plain": "1", "text/html": "<b>1</b>"}), error("no", "line")]
    assert compare_cell(3, outputs, copy.deepcopy(outputs)) == ()
    assert compare_cell(3, [], []) == ()


# Streams


def test_it_does_not_matter_in_which_pieces_a_stream_was_sent() -> None:
    assert differing([stream("ab\nc")], [stream("a"), stream("b\n"), stream("c")]) == []


def test_it_does_not_matter_how_stdout_and_stderr_interleave() -> None:
    apart = [stream("a"), stream("w", "stderr"), stream("b")]
    assert differing(apart, [stream("w", "stderr"), stream("ab")]) == []


def test_it_matters_on_which_side_of_a_figure_a_line_was_printed() -> None:
    figure = display({"text/plain": "<Figure>"})
    assert differing([stream("a"), figure, stream("b")], [figure, stream("ab")]) == ["number of outputs"]


def test_it_matters_whether_something_went_to_stdout_or_stderr() -> None:
    difference = only([stream("a")], [stream("a", "stderr")])
    assert (difference.what, difference.expected, difference.actual) == ("output type", "stdout: a", "stderr: a")


def test_only_the_last_state_of_a_progress_bar_counts() -> None:
    early = "\r  0%|     | 0/9 [00:00<?, ?it/s]\r 50%|██   | 4/9 [00:01<00:01, 4.1it/s]"
    many = early + "\r100%|█████| 9/9 [00:02<00:00, 4.4it/s]\n"
    few = "\r100%|█████| 9/9 [00:01<00:00, 5.0it/s]\n"
    assert differing([stream(many, "stderr")], [stream(few, "stderr")]) == []
    assert differing([stream(many, "stderr")], [stream(few.replace("9/9", "8/9"), "stderr")]) == ["stderr"]


def test_a_difference_shows_the_lines_around_the_first_place() -> None:
    lines = [f"line {number}" for number in range(100)]
    difference = only([stream("\n".join(lines))], [stream("\n".join([*lines[:50], "other", *lines[51:]]))])
    assert difference.what == "stdout"
    assert difference.expected.startswith("…line 48\nline 49\nline 50\nline 51\n")
    assert difference.actual.startswith("…line 48\nline 49\nother\nline 51\n")


def test_a_difference_deep_in_a_long_line_is_shown() -> None:
    text = "0" * 100_000
    difference = only([stream(text + "1")], [stream(text + "2")])
    assert difference.expected.endswith("01")
    assert difference.actual.endswith("02")


def test_differing_blanks_are_made_visible() -> None:
    difference = only([stream("a b\n")], [stream("a  b")])
    assert (difference.expected, difference.actual) == ("a·b⏎\n", "a··b")


def test_escape_sequences_are_written_out() -> None:
    assert only([stream("\x1b[31mred")], [stream("red")]).expected == "\\x1b[31mred"


# What is there


def test_a_missing_output_is_named() -> None:
    difference = only([stream("a"), display({"text/plain": "<Figure>"})], [stream("a")])
    assert difference.what == "number of outputs"
    assert difference.expected == "2 outputs: stdout, display_data\nnumber 2 is display_data: <Figure>"
    assert difference.actual == "1 output: stdout"


def test_another_type_of_output_is_named() -> None:
    data = {"text/plain": "1"}
    assert differing([stream("a"), result(data)], [stream("a"), display(data)]) == ["output type (output 2)"]


def test_a_missing_mime_type_is_a_difference() -> None:
    difference = only([result({"text/plain": "1", "text/html": "<b>1</b>"})], [result({"text/plain": "1"})])
    assert (difference.what, difference.expected, difference.actual) == ("text/html", "<b>1</b>", "(missing)")


def test_every_differing_mime_type_is_named_with_its_output() -> None:
    one = [result({"text/plain": "1"}), result({"text/plain": "2", "text/latex": "$2$"})]
    other = [result({"text/plain": "1"}), result({"text/plain": "3", "text/latex": "$3$"})]
    assert differing(one, other) == ["text/latex", "text/plain (output 2)"]


def test_the_execution_count_counts() -> None:
    difference = only([result({"text/plain": "1"}, 3)], [result({"text/plain": "1"}, 4)])
    assert (difference.what, difference.expected, difference.actual) == ("execution count", "3", "4")


def test_metadata_counts() -> None:
    assert differing([display({}, needs_background="light")], [display({})]) == ["metadata"]
    assert differing([display({})], [{"output_type": "display_data", "data": {}}]) == []


def test_what_the_format_does_not_know_counts() -> None:
    assert differing([display({})], [{**display({}), "transient": {"display_id": "a"}}]) == ["transient"]


def test_lines_may_be_stored_apart() -> None:
    assert differing([display({"text/plain": ["a\n", "b"]})], [display({"text/plain": "a\nb"})]) == []


# Errors


def test_an_error_is_its_name_its_message_and_its_traceback() -> None:
    one = error("bad", "\x1b[0;31mValueError\x1b[0m", "File /a/lib/mod.py:3, in f(x)", "<A at 0x7f12ab34cd56>")
    same = error("bad", "ValueError", "File /b/lib/mod.py:3, in f(x)", "<A at 0x7f99ab34cd56>")
    assert differing([one], [same]) == []
    assert differing([one], [{**same, "evalue": "worse"}]) == ["error"]
    assert differing([one], [{**same, "ename": "TypeError"}]) == ["error"]
    assert differing([one], [error("bad", "ValueError", "File /b/lib/mod.py:4, in f(x)")]) == ["error"]


# JSON


@pytest.mark.parametrize(
    ("one", "other"), [(1, True), (1, 1.0), (0.0, -0.0), ([1, 2], [2, 1]), ({"a": None}, {}), ("1", 1)]
)
def test_json_that_python_takes_for_equal_may_differ(one: Any, other: Any) -> None:
    assert differing([display({"application/json": one})], [display({"application/json": other})]) == [
        "application/json"
    ]


def test_json_is_compared_by_content() -> None:
    one, other = {"a": float("nan"), "b": [1]}, {"b": [1], "a": float("nan")}
    mime = "application/vnd.vegalite.v5+json"
    assert differing([display({mime: one})], [display({mime: other})]) == []


def test_a_widget_may_have_another_random_id_but_not_other_data() -> None:
    def widget(model: str, version: int = 2) -> list[Output]:
        view = {"application/vnd.jupyter.widget-view+json": {"model_id": model, "version_major": version}}
        return [display({"text/plain": "IntSlider(value=0)", **view})]

    assert differing(widget("c1b4c5e3d7e543baa983d94d1e582e04"), widget("0123456789abcdef0123456789abcdef")) == []
    (what,) = differing(widget("c1b4c5e3d7e543baa983d94d1e582e04"), widget("c1b4c5e3d7e543baa983d94d1e582e04", 3))
    assert what == "application/vnd.jupyter.widget-view+json"
    for plain in ({"model_id": "c1b4c5e3d7e543baa983d94d1e582e04"}, {"model_id": "0123456789abcdef0123456789abcdef"}):
        assert differing([display({"application/json": plain})], [display({"application/json": {}})]) != []


# HTML and SVG as real libraries write them


def styled(frame: pd.DataFrame) -> list[Output]:
    return [display({"text/html": frame.style.highlight_max().to_html()})]


def estimator(strength: float) -> list[Output]:
    return [display({"text/html": LogisticRegression(C=strength)._repr_html_()})]


def drawing(height: float) -> list[Output]:
    figure = Figure()
    axes = figure.add_subplot()
    axes.plot([1, height], marker="o")
    axes.fill_between([0, 1], [0, height], hatch="/")
    file = io.StringIO()
    figure.savefig(file, format="svg")
    return [display({"image/svg+xml": file.getvalue()})]


@pytest.mark.parametrize(
    ("make", "one", "other"),
    [
        (styled, pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [1, 3]})),
        (estimator, 1.0, 2.0),
        (drawing, 2.0, 3.0),
    ],
    ids=["pandas", "scikit-learn", "matplotlib"],
)
def test_random_element_ids_do_not_count_and_content_does(
    make: Callable[[Any], list[Output]], one: Any, other: Any
) -> None:
    first, second, different = make(one), make(one), make(other)
    assert first != second
    assert differing(first, second) == []
    (mime,) = first[0]["data"]
    assert differing(first, different) == [mime]


def test_a_swapped_reference_is_seen() -> None:
    markup = '<path id="m0000000001" d="a"/><path id="m0000000002" d="b"/><use xlink:href="#m000000000{}"/>'
    one, other = (display({"image/svg+xml": markup.format(target)}) for target in (1, 2))
    assert differing([one], [other]) == ["image/svg+xml"]


def test_a_uuid_that_is_shown_is_a_result() -> None:
    one, other = ("<td>4158672f-136d-4caa-85e1-daf7fc927a1f</td>", "<td>2d60d79a-4185-4649-80c9-a71a7e41316d</td>")
    assert differing([display({"text/html": one})], [display({"text/html": other})]) == ["text/html"]


# Images


@pytest.fixture
def photo() -> Image.Image:
    return Image.fromarray(np.arange(4800, dtype=np.uint8).reshape(40, 40, 3))


def picture(data: str, mime: str = "image/png") -> list[Output]:
    return [display({mime: data})]


def test_images_are_compared_by_pixels(photo: Image.Image) -> None:
    small, large = encoded(photo, compress_level=9), encoded(photo, compress_level=0)
    assert small != large
    assert differing(picture(small), picture(large)) == []
    assert differing(picture(small), picture(encoded(photo.convert("RGBA")))) == []


def test_a_differing_pixel_is_counted(photo: Image.Image) -> None:
    changed = photo.copy()
    red, green, blue = np.asarray(photo)[3, 3]
    changed.putpixel((3, 3), (int(red), int(green), int(blue) + 17))
    difference = only(picture(encoded(photo)), picture(encoded(changed)))
    assert difference.what == "image/png"
    assert difference.expected == "PNG 40x40"
    assert difference.actual == "same size, 1 of 1600 pixels differ, up to 17/255"


def test_another_size_is_named(photo: Image.Image) -> None:
    difference = only(picture(encoded(photo)), picture(encoded(photo.crop((0, 0, 30, 40)))))
    assert (difference.expected, difference.actual) == ("PNG 40x40", "PNG 30x40")


def test_jpeg_and_deep_images_are_compared_too(photo: Image.Image) -> None:
    jpegs = [picture(encoded(photo, "JPEG", quality=quality), "image/jpeg") for quality in (90, 20)]
    assert differing(*jpegs) == ["image/jpeg"]
    deep = [Image.fromarray(np.full((4, 4), value, dtype=np.uint16)) for value in (256, 257)]
    assert only(picture(encoded(deep[0])), picture(encoded(deep[1]))).actual == "same size, pixels differ"


def test_colours_behind_a_palette_count() -> None:
    images = [Image.new("P", (4, 4)) for _ in range(2)]
    for image, colour in zip(images, (10, 20), strict=True):
        image.putpalette([colour] * 768)
    assert differing(picture(encoded(images[0])), picture(encoded(images[1]))) == ["image/png"]


def test_every_frame_of_an_animation_counts(photo: Image.Image) -> None:
    def animation(last: Image.Image, duration: int = 50) -> list[Output]:
        return picture(encoded(photo, "GIF", save_all=True, append_images=[last], duration=duration), "image/gif")

    turned = photo.rotate(90)
    assert differing(animation(turned), animation(turned.copy())) == []
    assert "frame 2" in only(animation(turned), animation(photo.rotate(180))).actual
    assert only(animation(turned), animation(turned, 80)).actual == "same size, frame 1: shown for another time"


def test_sixteen_bits_per_colour_are_not_taken_for_eight() -> None:
    # Pillow can't write such a PNG: one grey pixel is made into two colour pixels' worth of header instead.
    grey = bytearray(base64.b64decode(encoded(Image.fromarray(np.full((4, 4), 256, dtype=np.uint16)))))
    grey[25] = 2
    other = bytes(grey[:-1]) + b"x"
    images = [picture(base64.b64encode(data).decode()) for data in (bytes(grey), other)]
    assert "can't be compared by pixels" in only(*images).actual


def test_a_broken_image_is_compared_byte_by_byte(photo: Image.Image) -> None:
    whole = encoded(photo)
    broken = base64.b64encode(base64.b64decode(whole)[:-40]).decode()
    assert differing(picture(broken), picture(broken + "\n")) == []
    difference = only(picture(whole), picture(broken))
    assert difference.expected == "PNG 40x40"
    assert difference.actual.endswith("bytes, which can't be compared by pixels")
    assert only(picture("no image"), picture("not one")).what == "image/png"


# Notebooks


def test_cells_are_compared_by_index_in_order() -> None:
    expected = {4: [stream("d")], 0: [stream("a")], 2: [stream("b")]}
    actual = {0: [stream("x")], 2: [stream("b")], 4: [stream("y")]}
    assert [(d.cell, d.what) for d in compare_notebook(expected, actual)] == [(0, "stdout"), (4, "stdout")]


def test_a_cell_that_only_one_side_has_is_a_difference() -> None:
    (difference,) = compare_notebook({0: [], 1: [stream("a")]}, {0: []})
    assert difference == CellDifference(1, "cell", "1 output: stdout", "no such cell")
    (difference,) = compare_notebook({}, {5: []})
    assert difference == CellDifference(5, "cell", "no such cell", "0 outputs")


def test_unstable_cells_are_those_that_two_recordings_differ_in() -> None:
    first = {0: [stream("a")], 1: [stream("1"), stream("e", "stderr")], 2: [stream("c")]}
    second = {0: [stream("a")], 1: [stream("2"), stream("f", "stderr")]}
    assert unstable_cells(first, second) == (1, 2)
    assert unstable_cells(first, first) == ()


def cells(address: int) -> dict[int, list[Output]]:
    return {
        index: [
            stream(f"step {index}\n"),
            result({"text/plain": f"<A at 0x{address + index:012x}>", "text/html": "<b>1</b>"}),
        ]
        for index in range(200)
    }


@pytest.mark.parametrize("moved", [0, 16], ids=["identical", "other addresses"])
def test_200_small_cells_take_less_than_50_milliseconds(moved: int) -> None:
    expected, actual = cells(0x7F0000000000), cells(0x7F0000000000 + moved)
    best = float("inf")
    for _ in range(5):
        started = time.process_time()
        assert compare_notebook(expected, actual) == ()
        best = min(best, time.process_time() - started)
    assert best < 0.05
