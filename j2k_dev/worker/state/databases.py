"""Connections to SQLite databases: opened again, where nothing but the database and plain settings hangs on them.

A file below the working directory travels as a file, a database in memory by its serialised pages. An open
transaction, temporary tables, attached databases, functions and collations of the notebook's own are refused by name.
sqlite3 is never imported here.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import pickle
import sys
import threading
from pathlib import Path
from typing import Any

Reduced = tuple[Any, ...]

_SETTINGS = ("isolation_level", "row_factory", "text_factory")
_PRAGMAS = ("foreign_keys", "recursive_triggers", "synchronous", "temp_store", "cache_size", "busy_timeout")


def database_reducers() -> dict[type, Any]:
    """Return reducers for the sqlite3 that is loaded."""
    sqlite3 = sys.modules.get("sqlite3")
    if sqlite3 is None:
        return {}
    return {
        sqlite3.Connection: reduce_connection,
        sqlite3.Cursor: reduce_cursor,
        sqlite3.Row: reduce_row,
    }


def reduce_cursor(cursor: Any) -> Reduced:
    """Reduce a cursor that has no more rows to give to its settings and what it says of its last statement."""
    if cursor.description and any(type(held).__name__ == "Statement" for held in gc.get_referents(cursor)):
        raise pickle.PicklingError("cannot hand over a cursor with rows that were not fetched: fetch them in its cell")
    settings = {name: getattr(cursor, name) for name in ("arraysize", "row_factory")}
    columns = tuple(column[0] for column in cursor.description or ())
    if columns and cursor.rowcount >= 0:
        raise pickle.PicklingError("cannot hand over a cursor after RETURNING: make a new one in the next cell")
    return make_cursor, (cursor.connection, cursor.lastrowid, cursor.rowcount, columns), settings, None, None, set_all


def make_cursor(connection: Any, row_id: int | None, count: int, columns: tuple[str, ...]) -> Any:
    """Make a cursor that says what another said, by statements on a table that is there for no longer than that."""
    cursor = connection.cursor()
    if row_id is None and count < 0:
        return cursor
    level, connection.isolation_level = connection.isolation_level, None
    connection.execute("ATTACH ':memory:' AS j2k_said")
    connection.execute("CREATE TABLE j2k_said.numbers (number INTEGER PRIMARY KEY)")
    if row_id is not None:
        cursor.execute("INSERT INTO j2k_said.numbers VALUES (?)", (row_id,))
    if columns:
        cursor.execute(_nothing(columns)).fetchall()
    elif count < 0:
        cursor.execute("DROP TABLE j2k_said.numbers")
    else:
        cursor.executemany("REPLACE INTO j2k_said.numbers VALUES (0)", itertools.repeat((), count))
    connection.execute("DETACH j2k_said")
    connection.isolation_level = level
    return cursor


def reduce_connection(connection: Any) -> Reduced:
    """Reduce a connection to what it takes to open it again as it is."""
    sqlite3 = sys.modules["sqlite3"]
    try:
        path = _path(connection)
    except sqlite3.ProgrammingError as error:
        if "closed database" not in str(error):
            raise
        return closed_connection, ()
    _refuse_what_would_be_lost(connection)
    settings = {name: getattr(connection, name) for name in _SETTINGS}
    pragmas = {name: _value(connection, f"PRAGMA {name}") for name in _PRAGMAS}
    pages = None if path else _pages(connection)
    options = {"detect_types": _detected(connection), "check_same_thread": not _is_shared(connection)}
    return open_connection, (path, pages, pragmas, options), settings, None, None, set_all


def open_connection(path: str, pages: bytes | None, pragmas: dict[str, Any], options: dict[str, Any]) -> Any:
    """Open a database, in memory where there is no path."""
    sqlite3 = sys.modules.get("sqlite3") or __import__("sqlite3")
    connection = sqlite3.connect(path or ":memory:", **options)
    if pages:
        connection.deserialize(pages)
    for name, value in pragmas.items():
        connection.execute(f"PRAGMA {name} = {value}")
    return connection


def set_all(holder: Any, settings: dict[str, Any]) -> None:
    """Give a connection or a cursor its row factory and the like."""
    for name, value in settings.items():
        setattr(holder, name, value)


def closed_connection() -> Any:
    """Make a connection that is closed."""
    sqlite3 = sys.modules.get("sqlite3") or __import__("sqlite3")
    connection = sqlite3.connect(":memory:")
    connection.close()
    return connection


def reduce_row(row: Any) -> Reduced:
    """Reduce a row to its columns' names and its values."""
    return make_row, (tuple(row.keys()), tuple(row))


def make_row(names: tuple[str, ...], values: tuple[Any, ...]) -> Any:
    """Make a row, which only a cursor can name the columns of."""
    sqlite3 = sys.modules.get("sqlite3") or __import__("sqlite3")
    connection = sqlite3.connect(":memory:")
    row = sqlite3.Row(connection.execute(_nothing(names)), values)
    connection.close()
    return row


def _nothing(names: tuple[str, ...]) -> str:
    """Return a query that has these columns and no rows."""
    return "SELECT " + ", ".join('NULL AS "{}"'.format(name.replace('"', '""')) for name in names) + " LIMIT 0"


def _detected(connection: Any) -> int:
    """Find out which types of values a connection detects; it does not say, so converters of no use are tried."""
    sqlite3 = sys.modules["sqlite3"]
    known, found = dict(sqlite3.converters), object()
    sqlite3.converters.update(J2K=lambda _text: found, TEXT=lambda _text: found)
    try:
        named = _value(connection, "SELECT 'x' AS \"x [j2k]\"") is found
        declared = _some_text(connection) is found
    finally:
        sqlite3.converters.clear()
        sqlite3.converters.update(known)
    return int(named and sqlite3.PARSE_COLNAMES) | int(declared and sqlite3.PARSE_DECLTYPES)


def _some_text(connection: Any) -> Any:
    """Return a value of a column that is declared as text: the name of a table, if need be of one made for it."""
    found = _value(connection, "SELECT name FROM sqlite_master")
    if found is None:
        connection.execute("ATTACH ':memory:' AS j2k_typed").execute("CREATE TABLE j2k_typed.some (value)")
        found = _value(connection, "SELECT name FROM j2k_typed.sqlite_master")
        connection.execute("DETACH j2k_typed")
    return found


def _is_shared(connection: Any) -> bool:
    """Tell a connection that any thread may use, by asking it from another one."""
    allowed = []

    def ask() -> None:
        with contextlib.suppress(sys.modules["sqlite3"].ProgrammingError):
            connection.cursor().close()
            allowed.append(True)

    thread = threading.Thread(target=ask, name="j2k")
    thread.start()
    thread.join()
    return bool(allowed)


def _path(connection: Any) -> str:
    databases = [row for row in _rows(connection, "PRAGMA database_list") if row[1] != "temp"]
    if len(databases) > 1:
        raise pickle.PicklingError(f"cannot hand over a connection with the attached database {databases[1][1]!r}")
    path = str(databases[0][2] or "")
    return path if Path(path).is_absolute() and Path(path).is_file() else ""  # one in memory may have a name


def _refuse_what_would_be_lost(connection: Any) -> None:
    if connection.in_transaction:
        raise pickle.PicklingError("cannot hand over a connection in a transaction: commit it in its cell")
    if _value(connection, "SELECT count(*) FROM sqlite_temp_master"):
        raise pickle.PicklingError("cannot hand over a connection with temporary tables")
    fresh = sys.modules["sqlite3"].connect(":memory:")
    try:
        for kind in ("function_list", "collation_list"):
            own = _names(connection, kind) - _names(fresh, kind)
            if own:
                raise pickle.PicklingError(f"cannot hand over a connection with its own {min(own)!r} ({kind})")
    finally:
        fresh.close()


def _pages(connection: Any) -> bytes:
    if not hasattr(connection, "serialize"):
        raise pickle.PicklingError("cannot hand over a database in memory with this Python: it needs 3.11 or later")
    empty = not _value(connection, "PRAGMA page_count")  # SQLite refuses to serialise it
    return b"" if empty else bytes(connection.serialize())


def _names(connection: Any, kind: str) -> set[str]:
    place = 0 if kind == "function_list" else 1
    return {row[place] for row in _rows(connection, f"PRAGMA {kind}")}


def _value(connection: Any, statement: str) -> Any:
    rows = _rows(connection, statement)
    return rows[0][0] if rows else None


def _rows(connection: Any, statement: str) -> list[tuple[Any, ...]]:
    """Ask without the notebook's row and text factories."""
    cursor = connection.cursor()
    cursor.row_factory = None
    kept, connection.text_factory = connection.text_factory, str
    try:
        return list(cursor.execute(statement))
    finally:
        connection.text_factory = kept
        cursor.close()
