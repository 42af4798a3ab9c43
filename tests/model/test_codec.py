"""Dataclasses survive the way through JSON; what does not fit says where."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from j2k_dev.model.codec import CodecError, from_plain, to_plain
from j2k_dev.model.recording import CellError
from j2k_dev.model.run import CellOutput, StageResult


@dataclass(frozen=True)
class Part:
    name: str
    size: float = 0.0


@dataclass(frozen=True)
class Whole:
    kind: Literal["a", "b"]
    parts: tuple[Part, ...]
    counts: dict[str, int] = field(default_factory=dict)
    best: Part | None = None
    anything: Any = None


WHOLE = Whole("a", (Part("x", 1.5), Part("y")), {"n": 1}, Part("z"), [1, {"k": None}])

texts = st.text(max_size=20)
errors = st.builds(CellError, st.integers(), texts, texts, st.lists(texts).map(tuple))
outputs = st.builds(
    CellOutput,
    st.integers(),
    st.none() | st.integers(),
    st.lists(st.dictionaries(texts, texts)).map(tuple),
    st.floats(0, 9),
)
results = st.builds(
    StageResult,
    run=texts, stage=texts, attempt=st.integers(), snapshot=st.none() | texts, cells=st.lists(outputs).map(tuple),
    seconds=st.floats(0, 1e6), error=st.none() | errors,
)  # fmt: skip


def test_a_dataclass_survives_json() -> None:
    assert from_plain(Whole, json.loads(json.dumps(to_plain(WHOLE)))) == WHOLE


@given(results)
def test_every_stage_result_survives_json(result: StageResult) -> None:
    assert from_plain(StageResult, json.loads(json.dumps(to_plain(result)))) == result


def test_a_whole_number_is_taken_for_a_float() -> None:
    assert from_plain(Part, {"name": "x", "size": 2}) == Part("x", 2.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "c"}, "Whole.kind: 'c' does not fit"),
        ({"parts": [{"name": 1}]}, "Whole.parts[0].name: 1 does not fit"),
        ({"parts": {}}, "Whole.parts: {} does not fit"),
        ({"parts": [{}]}, "Whole.parts[0]: Part.__init__() missing 1 required positional argument: 'name'"),
        ({"counts": {"n": True}}, "Whole.counts.n: True does not fit"),
        ({"best": []}, "Whole.best: [] does not fit"),
        ({"odd": 1, "more": 2}, "Whole: unknown field more, odd"),
    ],
)
def test_what_does_not_fit_says_where(change: dict[str, Any], message: str) -> None:
    with pytest.raises(CodecError) as caught:
        from_plain(Whole, to_plain(WHOLE) | change)
    assert str(caught.value) == message
