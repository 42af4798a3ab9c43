"""What crosses between two stages, what is left behind, and what the later one imports before it starts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from j2k_dev.model.recording import CellAnalysis, CellError, FileUse, Variable
from j2k_dev.notebook.planning import plan
from tests.notebook.plans import GENERATOR, MIB, Code, made

# What crosses


def test_everything_live_crosses_with_its_size() -> None:
    live = (Variable("x", "int", 28, 0), Variable("df", "DataFrame", 2 * MIB, 0))
    pipeline = plan(*made(Code("x = 1; df = f()", live=live), Code("df.mean() + x")))
    (edge,) = pipeline.edges
    assert [(crossing.name, crossing.type, crossing.bytes) for crossing in edge.crossings] == [
        ("x", "int", 28),
        ("df", "DataFrame", 2 * MIB),
    ]
    assert edge.bytes == 2 * MIB + 28
    assert [stage.peak_bytes for stage in pipeline.stages] == [MIB, 2 * MIB]


BIG = Variable("raw", "DataFrame", 5 * MIB, 0)
SMALL = Variable("raw", "DataFrame", MIB - 1, 0)


def pruned(first: str, later: str, variable: Variable = BIG, **extra: Any) -> tuple[str, ...]:
    """Return what is dropped between two cells."""
    pipeline = plan(*made(Code(first, live=(variable,)), Code(later, extra=extra)), "cells")
    if len(pipeline.stages) == 1:
        return ("cannot be cut",)
    crossing = {crossing.name for crossing in pipeline.edges[0].crossings}
    assert (variable.name in crossing) != (variable.name in pipeline.stages[0].pruned)
    return pipeline.stages[0].pruned


def test_something_big_that_nobody_reads_later_is_dropped() -> None:
    assert pruned("raw = f(); x = raw.mean()", "x + 1") == ("raw",)
    assert pruned("raw = f(); x = raw.mean()\nraw.head()", "x + 1") == ("raw",)
    assert pruned("raw = f()", "x + 1", SMALL) == ()


@pytest.mark.parametrize(
    ("first", "later"),
    [
        ("raw = f()", "raw.mean()"),
        ("raw = f()", "raw += 1"),
        ("raw = f()", "del raw"),
        ("raw = f()", "raw = 1"),
        ("raw = f()", "df.query('a > @raw')"),
        ("raw = f()", "!echo {raw}"),
        ("raw = f()", "# raw is mentioned"),
        ("raw = f()\ndef g(): return raw", "g()"),
        ("raw = f()\ng = lambda: raw", "g()"),
        ("raw = f()\ng = (x for x in range(3) if raw)", "list(g)"),
        ("raw = f()\nquestion = 'a > @raw'", "x"),
        ("raw = f()", "globals()"),
        ("raw = f()\ndef g(): return eval(input())", "g()"),
        ("raw = f()", "%whos"),
        ("from a import *\nraw = f()", "x"),
        ("f()", "x"),
    ],
)
def test_where_anything_is_in_doubt_everything_travels(first: str, later: str) -> None:
    assert pruned(first, later) == ()


def test_everything_travels_where_a_later_cell_raises_or_was_not_analysed() -> None:
    assert pruned("raw = f()", "1 / 0", error=CellError(1, "NameError", "name 'rw' is not defined", ())) == ()
    assert pruned("raw = f()", "x + 1", analysis=CellAnalysis()) == ()


@pytest.mark.parametrize("kind", ["type", "function", "abc.ABCMeta", "enum.EnumMeta"])
def test_classes_and_functions_travel_since_pickles_refer_to_them_by_name(kind: str) -> None:
    assert pruned("raw = f()", "x + 1", replace(BIG, type=kind)) == ()


def test_a_generator_that_nobody_reads_later_is_dropped_and_the_boundary_is_safe() -> None:
    generator = replace(GENERATOR, name="g", cell=0)
    assert pruned("g = f(); x = next(g)", "x", generator) == ("g",)


@pytest.mark.parametrize(
    ("first", "variable"),
    [
        ("g = f(); g", GENERATOR),
        ("g = f()", replace(GENERATOR, type="TemporaryDirectory")),
        ("g = f()", replace(GENERATOR, type="sqlite3.Connection")),
        ("_ = f()", replace(GENERATOR, name="_")),
        ("Out[1]", replace(GENERATOR, name="Out")),
    ],
)
def test_what_may_live_on_elsewhere_or_acts_when_it_ends_is_not_dropped(first: str, variable: Variable) -> None:
    assert pruned(first, "x", variable) == ("cannot be cut",)


def test_what_one_boundary_dropped_does_not_cross_the_next() -> None:
    cells = [Code("raw = f()", live=(BIG,)), Code("y = 1", live=(SMALL,)), Code("z = 1")]
    pipeline = plan(*made(*cells), "cells")
    assert [stage.pruned for stage in pipeline.stages] == [("raw",), ("raw",), ()]
    assert all(edge.crossings == () for edge in pipeline.edges)
    assert all(edge.bytes == 0 for edge in pipeline.edges)


# What a stage imports before it starts


def test_a_stage_imports_what_the_cells_before_it_imported_in_their_order() -> None:
    cells = [Code(modules=("numpy", "pandas")), Code(modules=("scipy", "numpy")), Code(modules=("torch",))]
    pipeline = plan(*made(*cells), "cells")
    assert [stage.modules for stage in pipeline.stages] == [(), ("numpy", "pandas"), ("numpy", "pandas", "scipy")]


@pytest.mark.parametrize(
    "source",
    [
        "import os\nos.environ['A'] = '1'",
        "os.chdir('data')",
        "sys.path.append('lib')",
        "%cd data",
        "cd data",
        "%env A=1",
    ],
)
def test_nothing_is_imported_early_from_where_a_cell_changed_what_imports_read(source: str) -> None:
    cells = [Code(modules=("numpy",)), Code(source, modules=("pandas",)), Code(modules=("torch",)), Code()]
    pipeline = plan(*made(*cells), "cells")
    assert [stage.modules for stage in pipeline.stages] == [(), ("numpy",), ("numpy",), ("numpy",)]


def test_a_module_that_a_cell_writes_is_not_imported_early() -> None:
    cells = [Code(files=(FileUse("m.py", "written", 9),)), Code(modules=("m",)), Code()]
    assert [stage.modules for stage in plan(*made(*cells), "cells").stages] == [(), (), ()]


def test_a_variable_called_env_changes_nothing() -> None:
    cells = [Code("env = make()", modules=("gym",)), Code()]
    assert plan(*made(*cells), "cells").stages[1].modules == ("gym",)
