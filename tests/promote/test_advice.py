"""Advice on storage: what is counted, which habits are told, and that published numbers are told as that."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from j2k_dev.deploy.target import Ebs, Kafka, Scratch, Storage, Target, TargetRegistry
from j2k_dev.model.pipeline import Edge, Pipeline, Stage
from j2k_dev.model.recording import CellRecord, FileOperation, FileUse, Interpreter, Recording
from j2k_dev.promote.advice import EBS_SOURCE, EFS_SOURCE, PIECE, Count, advice, files_of, shared_files
from tests.promote.made import prod

if TYPE_CHECKING:
    from j2k_dev.promote.model import Advice

LOAD, FIT = Stage("load", (0, 1), (), (), 1.0, 1), Stage("fit", (2,), (), (), 1.0, 1)
PLAIN = Target("prod", TargetRegistry("registry:5000"), Storage("shared"), Kafka("kafka:9092"))


def pipeline(*stages: Stage, state: int = 0) -> Pipeline:
    edges = (Edge("load", "fit", (), state, "why"),)
    return Pipeline("weather", "key", "auto", stages or (LOAD, FIT), edges)


def cell(index: int, *files: FileUse, operations: tuple[FileOperation, ...] = ()) -> CellRecord:
    return CellRecord(index, index, (), 0.0, 0.0, 0, files=files, operations=operations)


def recording(*cells: CellRecord, **more: Any) -> Recording:
    python = Interpreter("python", "3.11.0", {})
    made = Recording("key", "weather.ipynb", "sha", python, {}, cells, (), 1.0, trace="audit")
    return dataclasses.replace(made, **more)


def read(path: str, size: int = 1) -> FileUse:
    return FileUse(path, "read", size)


def written(path: str, size: int = 1) -> FileUse:
    return FileUse(path, "written", size)


def told(of: Recording, target: Target = PLAIN, plan: Pipeline | None = None) -> tuple[Advice, Advice]:
    exchange, scratch = advice(plan or pipeline(), of, target)
    return exchange, scratch


def test_the_exchange_belongs_on_efs_and_what_is_a_pods_own_on_ebs() -> None:
    exchange, scratch = told(recording(cell(0), cell(2)))
    assert (exchange.volume, exchange.choice) == ("exchange", "EFS")
    assert (scratch.volume, scratch.choice) == ("scratch", "EBS")


def test_opening_and_each_piece_of_a_file_count() -> None:
    stage = files_of(LOAD, pipeline(), recording(cell(0, read("in", 2 * PIECE + 1)), cell(1, written("out"))))
    assert stage.own == Count(reads=4, writes=2, bytes=2 * PIECE + 2)


def test_an_empty_file_is_opened_all_the_same() -> None:
    assert files_of(FIT, pipeline(), recording(cell(2, read("empty", 0)))).own == Count(reads=1)


def test_what_is_opened_again_and_again_counts_as_often() -> None:
    again = cell(2, read("table"), operations=(FileOperation("table", "opened", 1000),))
    assert files_of(FIT, pipeline(), recording(again)).own.reads == 1001


def test_the_state_that_is_handed_over_counts_on_the_exchange_only() -> None:
    plan = pipeline(state=3 * PIECE)
    load, fit = (files_of(stage, plan, recording(cell(0), cell(2))) for stage in plan.stages)
    assert (load.own, fit.own) == (Count(), Count())
    assert load.shared == Count(writes=5, bytes=3 * PIECE)
    assert fit.shared == Count(reads=4, bytes=3 * PIECE)


def test_files_outside_of_the_working_directory_are_not_on_the_exchange() -> None:
    stage = files_of(FIT, pipeline(), recording(cell(2, written("/tmp/x"), read("/data/y"))))
    assert stage.shared == Count()
    assert stage.own == Count(reads=2, writes=2, bytes=2)


def test_files_that_stages_share_are_named_with_the_stages() -> None:
    of = recording(cell(0, written("a.csv"), written("b.csv")), cell(1, read("b.csv")), cell(2, read("a.csv")))
    assert shared_files(pipeline(), of) == {"a.csv": ("load", "fit")}
    assert "stages share 1 file: a.csv (load, fit)" in told(of)[0].why


def test_many_shared_files_are_counted_and_a_few_named() -> None:
    many = [f"part-{number}" for number in range(5)]
    of = recording(cell(0, *map(written, many)), cell(2, *map(read, many)))
    assert (
        "stages share 5 files: part-0 (load, fit), part-1 (load, fit), part-2 (load, fit) and 2 more" in told(of)[0].why
    )


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("chowned", "fit changes owners (an access point refuses that"),
        ("locked", "fit locks files ("),
        ("mapped", "fit maps files into memory ("),
        ("database", "fit has a database of SQLite ("),
    ],
)
def test_what_a_stage_does_that_suffers_on_efs_is_told_with_the_reason(kind: Any, words: str) -> None:
    scratch = told(recording(cell(0), cell(2, operations=(FileOperation("f", kind, 1),))))[1]
    assert f"on EFS it would suffer: {words}" in scratch.why
    assert "suffer" not in told(recording(cell(0), cell(2)))[1].why


def test_many_small_files_are_told_and_few_or_large_ones_are_not() -> None:
    def why(count: int, size: int) -> str:
        return told(recording(cell(2, *(written(f"f{number}", size) for number in range(count)))))[1].why

    assert "fit writes many small files" in why(100, 1000)
    assert "small files" not in why(99, 1000)
    assert "small files" not in why(100, 1 << 20)


def test_a_library_that_locks_where_nobody_sees_it_is_named() -> None:
    plan = pipeline(LOAD, dataclasses.replace(FIT, modules=("numpy", "h5py._hl")))
    assert "fit imports h5py, which locks files" in told(recording(cell(2)), plan=plan)[1].why


def test_each_stage_has_its_costs_and_they_say_what_they_are_made_of() -> None:
    exchange, _ = told(recording(cell(0, written("a", 1)), cell(2)))
    load, fit, *sources = exchange.costs
    assert load == "load: 0 reads, 3 writes, 1 B; on EFS at least 8.1 ms, on EBS below 30 ms"
    assert fit == "fit: no file operations"
    assert EFS_SOURCE in sources[0]
    assert EBS_SOURCE in sources[0]
    assert "as published, not measured" in sources[0]


def test_what_was_not_traced_is_said_to_be_unknown() -> None:
    of = recording(cell(2), trace="none")
    assert "what cells did with files was not traced" in told(of)[1].why
    assert "not traced" not in told(recording(cell(2)))[1].why


def test_the_target_decides_what_is_said_of_it() -> None:
    of = recording(cell(2))
    assert "the class shared has to be one of many nodes too" in told(of)[0].why
    assert "has to be one of" not in told(of, prod())[0].why
    assert "without scratch in the target file" in told(of)[1].why
    assert "without scratch" not in told(of, dataclasses.replace(PLAIN, scratch=Scratch(ebs=Ebs())))[1].why


@given(
    st.lists(
        st.builds(
            FileUse,
            st.text("ab/", min_size=1),
            st.sampled_from(["read", "written", "deleted"]),
            st.integers(0, 1 << 40),
        ),
        max_size=20,
    )
)
def test_more_files_never_cost_less(uses: list[FileUse]) -> None:
    some, more = (files_of(FIT, pipeline(), recording(cell(2, *part))) for part in (uses[1:], uses))
    assert some.own.on_efs <= more.own.on_efs
    assert some.shared.on_ebs <= more.shared.on_ebs
