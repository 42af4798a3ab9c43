"""SQLite across two boundaries; each case runs in real, separate processes."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.worker.state.conftest import HandOver

OPEN = (
    "import sqlite3; c = sqlite3.connect({!r}); k = c.cursor(); k.execute('create table t (n integer primary key)')\n"
)

CASES = {
    "a cursor goes on with its connection": (
        OPEN.format("d.db") + "k.arraysize = 2; k.execute('insert into t values (7)'); c.commit()",
        "k.execute('select n from t'); print(k.connection is c, k.arraysize, k.fetchmany())",
        "True 2 [(7,)]",
    ),
    "a cursor says what its last insertion did": (
        OPEN.format(":memory:") + "k.execute('insert into t values (7)'); c.commit()",
        "print(k.lastrowid, k.rowcount, k.description, c.in_transaction)",
        "7 1 None False",
    ),
    "a cursor says how many rows it changed": (
        OPEN.format(":memory:") + "k.executemany('insert into t values (?)', [(1,), (2,)]); c.commit()",
        "print(k.rowcount, c.execute('pragma database_list').fetchall()[1:])",
        "2 []",
    ),
    "a cursor says which columns it read": (
        OPEN.format(":memory:") + """r = k.execute('select n as "a ""b", 1 from t').fetchall()""",
        "print([column[0] for column in k.description], k.fetchall())",
        """['a "b', '1'] []""",
    ),
    "a row is what it was": (
        OPEN.format(":memory:")
        + """c.row_factory = sqlite3.Row; r = c.execute('select 1 as a, 2 as "b c"').fetchone()""",
        "print(type(r) is sqlite3.Row, dict(r))",
        "True {'a': 1, 'b c': 2}",
    ),
    "a connection goes on detecting types": (
        """
        import sqlite3
        named = sqlite3.connect(':memory:', detect_types=sqlite3.PARSE_COLNAMES)
        declared = sqlite3.connect(':memory:', detect_types=sqlite3.PARSE_DECLTYPES)
        """,
        """
        sqlite3.register_converter('half', lambda text: float(text) / 2)
        for c in (named, declared):
            c.execute('create table t (n half)'); c.execute('insert into t values (3)')
            print(c.execute('select n, n as "n [half]" from t').fetchone())
        """,
        "(3, 1.5)\n(1.5, 1.5)",
    ),
    "other threads may use a connection as before": (
        "import sqlite3; c = sqlite3.connect(':memory:', check_same_thread=False)",
        """
        import threading
        def ask(): print(c.execute('select 5').fetchone())
        t = threading.Thread(target=ask); t.start(); t.join()
        """,
        "(5,)",
    ),
    "a database in memory is handed on and on": (
        OPEN.format(":memory:") + "k.execute('insert into t values (7)'); c.commit()",
        "print(c.execute('select n from t').fetchall())",
        "[(7,)]",
    ),
}


@pytest.mark.parametrize(("before", "after", "expected"), CASES.values(), ids=CASES.keys())
def test_it_travels_through_two_boundaries(hand_over: HandOver, before: str, after: str, expected: str) -> None:
    assert hand_over(dedent(before), "pass", dedent(after)) == expected


def test_rows_that_were_not_fetched_are_refused(refusal: HandOver) -> None:
    cell = (
        OPEN.format(":memory:") + "k.execute('insert into t values (1), (2)'); c.commit(); k.execute('select n from t')"
    )
    assert "rows that were not fetched" in refusal(cell)
