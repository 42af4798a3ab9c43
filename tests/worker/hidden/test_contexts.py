from __future__ import annotations

from collections.abc import Callable

HandedOver = Callable[..., str]


def test_context_variables_of_the_notebook_keep_value_and_default(handed_over: HandedOver) -> None:
    cells = (
        "from contextvars import ContextVar\n"
        "a = ContextVar('a', default=[1]); b = ContextVar('b')\nb.set({'x': a})\nsame = a"
    )
    assert handed_over(cells, probe="print(a.get(), b.get()['x'] is a, same is a)") == "[1] True True\n"


def test_a_context_variable_of_a_library_keeps_its_value(handed_over: HandedOver, tmp_path: object) -> None:
    from pathlib import Path

    (Path(str(tmp_path)) / "lib.py").write_text("from contextvars import ContextVar\nv = ContextVar('v', default=0)\n")
    assert handed_over("import lib; lib.v.set(5)", probe="import lib; print(lib.v.get())") == "5\n"


def test_the_decimal_context_travels_with_its_alias(handed_over: HandedOver) -> None:
    cells = (
        "import decimal; c = decimal.getcontext(); c.prec = 5; "
        "c.traps[decimal.Inexact] = False; d = decimal.Decimal(1) / 3"
    )
    assert (
        handed_over(cells, probe="c.prec = 7; print(d, decimal.Decimal(1) / 3, c.flags[decimal.Inexact])")
        == "0.33333 0.3333333 True\n"
    )
