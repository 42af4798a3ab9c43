"""The comparison of an executed notebook's outputs with the recording's, cell by cell: pure, strict, and the verdict.

Outputs are nbformat 4 output dictionaries. Whatever is not known to mean the same is a difference; what may differ on
each run is listed in ``normalise``. nbval flattens a cell's outputs by key and nbdime compares approximately: here
every output is compared with the one in its place, and nothing is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, groupby, zip_longest
from typing import Any, Literal

from j2k_dev.model.run import CellDifference
from j2k_dev.notebook.excerpt import SHORT, clipped, excerpts, printable
from j2k_dev.notebook.images import describe_image, image_difference
from j2k_dev.notebook.normalise import ElementIds, Kind, as_shown, html_lines, normalise, without_escapes

Output = Mapping[str, Any]
Cells = Mapping[int, Sequence[Output]]

_MARKUP = frozenset(
    {"text/html", "image/svg+xml", "application/javascript", "text/javascript", "application/xhtml+xml"}
)
_WIDGET = "application/vnd.jupyter.widget-view+json"
_MODEL_ID = re.compile(r'"model_id": "([0-9a-f-]+)"')
_ERROR = frozenset({"output_type", "ename", "evalue", "traceback"})
_DISPLAY = frozenset({"output_type", "data", "metadata", "execution_count"})
_GLANCE = 200
_Place = tuple[str, str, str]


def compare_cell(index: int, expected: Sequence[Output], actual: Sequence[Output]) -> tuple[CellDifference, ...]:
    """Compare the outputs of one cell; nothing is returned where they mean the same.

    Streams are compared as they are shown, joined where they follow each other: in which pieces they were sent, and
    how stdout and stderr interleave between two other outputs, is chance in Jupyter too.
    """
    if _identical(tuple(expected), tuple(actual)):
        return ()
    one, other = _Side(expected), _Side(actual)
    count = _count_difference(one, other)
    return tuple(CellDifference(index, *place) for place in ([count] if count else _differences(one, other)))


def compare_notebook(expected: Cells, actual: Cells) -> tuple[CellDifference, ...]:
    """Compare cells by index, in order; a cell that only one side has is a difference."""
    return tuple(
        difference
        for index in sorted(expected.keys() | actual.keys())
        for difference in _compare_places(index, expected.get(index), actual.get(index))
    )


def unstable_cells(first: Cells, second: Cells) -> tuple[int, ...]:
    """Return the cells whose outputs differ between two recordings of one notebook."""
    return tuple(dict.fromkeys(difference.cell for difference in compare_notebook(first, second)))


def _compare_places(
    index: int, expected: Sequence[Output] | None, actual: Sequence[Output] | None
) -> tuple[CellDifference, ...]:
    if expected is not None and actual is not None:
        return compare_cell(index, expected, actual)
    texts = ["no such cell" if outputs is None else _Side(outputs).summary for outputs in (expected, actual)]
    return (CellDifference(index, "cell", clipped(texts[0], SHORT), clipped(texts[1], SHORT)),)


def _identical(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same, kinds of numbers included (``1 == True == 1.0`` in Python)."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(_identical(value, other[key]) for key, value in one.items())
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(_identical, one, other))
    return repr(one) == repr(other) if isinstance(one, float) else bool(one == other)


def _join_streams(outputs: Sequence[Output]) -> tuple[Output, ...]:
    """Replace every run of stream outputs by one for each name, as shown; what shows nothing is dropped."""
    joined: list[Output] = []
    for streams, group in groupby(outputs, key=lambda output: output.get("output_type") == "stream"):
        run = list(group)
        joined.extend(_one_per_name(run) if streams else run)
    return tuple(joined)


def _one_per_name(streams: list[Output]) -> list[Output]:
    texts: dict[str, list[str]] = {}
    for stream in streams:
        texts.setdefault(str(stream.get("name")), []).append(_text(stream.get("text", "")))
    shown = {name: as_shown("".join(texts[name])) for name in sorted(texts, reverse=True)}  # stdout before stderr
    return [{"output_type": "stream", "name": name, "text": text} for name, text in shown.items() if text]


def _text(value: Any) -> str:
    return "".join(value) if isinstance(value, list) and all(isinstance(part, str) for part in value) else str(value)


def _written(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, default=str)


@dataclass(frozen=True)
class _Part:
    """One thing of one output, to be compared by its kind."""

    kind: Kind | Literal["image"]
    text: str

    @property
    def glance(self) -> str:
        if self.kind == "image":
            return describe_image(self.text)
        return clipped(printable(self.text[:SHORT]), _GLANCE) or "(empty)"


def _parts(output: Output) -> dict[str, _Part]:
    match output.get("output_type"):
        case "stream":
            return {str(output.get("name")): _Part("stream", _text(output.get("text", "")))}
        case "error":
            return {"error": _Part("error", _error_text(output))} | _other_parts(output, _ERROR)
        case _:
            return _display_parts(output) | _other_parts(output, _DISPLAY)


def _display_parts(output: Output) -> dict[str, _Part]:
    parts = {mime: _mime_part(mime, value) for mime, value in output.get("data", {}).items()}
    parts["metadata"] = _Part("markup", _written(output.get("metadata", {})))
    parts["execution count"] = _Part("json", _written(output.get("execution_count")))
    return parts


def _other_parts(output: Output, known: frozenset[str]) -> dict[str, _Part]:
    """Return what the format does not have: whatever it means, it has to be the same."""
    return {key: _Part("json", _written(value)) for key, value in output.items() if key not in known}


def _error_text(output: Output) -> str:
    lines = [f"{output.get('ename')}: {output.get('evalue')}", *output.get("traceback", ())]
    return without_escapes("\n".join(map(str, lines)))


def _mime_part(mime: str, value: Any) -> _Part:
    is_json = mime == "application/json" or mime.endswith("+json") or not isinstance(value, (str, list))
    if is_json:
        return _Part("markup" if mime == _WIDGET else "json", _written(value))
    if mime in _MARKUP:
        return _Part("markup", _text(value))
    return _Part("image" if mime.startswith("image/") else "text", _text(value))


class _Side:
    """The outputs of one cell on one side: what each one is, its parts, and the parts with their ids renamed."""

    def __init__(self, outputs: Sequence[Output]) -> None:
        outputs = _join_streams(outputs)
        self.labels = [str(o.get("name" if o.get("output_type") == "stream" else "output_type")) for o in outputs]
        self.parts = [_parts(output) for output in outputs]

    @property
    def summary(self) -> str:
        count = len(self.labels)
        return f"{count} output{'' if count == 1 else 's'}" + (": " + ", ".join(self.labels) if count else "")

    def glance(self, number: int) -> str:
        """Return what an output is, with a look at its first part."""
        return f"{self.labels[number]}: {next(iter(self.parts[number].values())).glance}"

    def comparable(self, number: int, what: str) -> str:
        """Return the text of a part with everything normalised that may differ."""
        part = self.parts[number][what]
        assert part.kind != "image"
        return normalise(self._renamed.get((number, what), part.text), part.kind)

    @cached_property
    def _renamed(self) -> dict[tuple[int, str], str]:
        markup = {
            (number, what): part.text
            for number, parts in enumerate(self.parts)
            for what, part in sorted(parts.items())
            if part.kind == "markup"
        }
        models = (_MODEL_ID.findall(text) for (_, what), text in markup.items() if what == _WIDGET)
        ids = ElementIds(markup.values(), chain.from_iterable(models))
        return {place: ids.rename(text) for place, text in markup.items()}


def _count_difference(one: _Side, other: _Side) -> _Place | None:
    if len(one.labels) == len(other.labels):
        return None
    pairs = enumerate(zip_longest(one.labels, other.labels))
    first = next(number for number, (expected, actual) in pairs if expected != actual)

    def text(side: _Side) -> str:
        there = f"\nnumber {first + 1} is {side.glance(first)}" if first < len(side.labels) else ""
        return clipped(side.summary + there, SHORT)

    return "number of outputs", text(one), text(other)


def _differences(one: _Side, other: _Side) -> Iterator[_Place]:
    for number, labels in enumerate(zip(one.labels, other.labels, strict=True)):
        if labels[0] != labels[1]:
            what = f"output type (output {number + 1})" if len(one.labels) > 1 else "output type"
            yield what, one.glance(number), other.glance(number)
        else:
            yield from _output_differences(one, other, number)


def _output_differences(one: _Side, other: _Side, number: int) -> Iterator[_Place]:
    for what in sorted(one.parts[number] | other.parts[number]):
        texts = _part_difference(one, other, number, what)
        if texts:
            several = max(sum(what in parts for parts in side.parts) for side in (one, other)) > 1
            yield f"{what} (output {number + 1})" if several else what, *texts


def _part_difference(one: _Side, other: _Side, number: int, what: str) -> tuple[str, str] | None:
    expected, actual = one.parts[number].get(what), other.parts[number].get(what)
    if expected is None or actual is None:
        return expected.glance if expected else "(missing)", actual.glance if actual else "(missing)"
    if expected == actual:
        return None
    if expected.kind != actual.kind:
        return expected.glance, actual.glance
    if expected.kind == "image":
        return image_difference(expected.text, actual.text)
    return _text_difference(one.comparable(number, what), other.comparable(number, what), html=what == "text/html")


def _text_difference(expected: str, actual: str, *, html: bool) -> tuple[str, str] | None:
    if expected != actual and html:
        expected, actual = "\n".join(html_lines(expected)), "\n".join(html_lines(actual))
    return None if expected == actual else excerpts(expected, actual)
