"""Connections to SQLite databases: opened again, where nothing but the database and plain settings hangs on them.

A file below the working directory travels as a file, a database in memory by its serialised pages. An open
transaction, temporary tables, attached databases, functions and collations of the notebook's own are refused by name.
sqlite3 is never imported here.
"""

from __future__ import annotations

import pickle
import sys
from typing import Any

Reduced = tuple[Any, ...]

_SETTINGS = ("isolation_level", "row_factory", "text_factory")
_PRAGMAS = ("foreign_keys", "recursive_triggers", "synchronous", "temp_store", "cache_size", "busy_timeout")


def database_reducers() -> dict[type, Any]:
    """Return reducers for the sqlite3 that is loaded."""
    sqlite3 = sys.modules.get("sqlite3")
    return {} if sqlite3 is None else {sqlite3.Connection: reduce_connection}


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
    return open_connection, (path, pages, pragmas), settings, None, None, set_connection


def open_connection(path: str, pages: bytes | None, pragmas: dict[str, Any]) -> Any:
    """Open a database, in memory where there is no path."""
    sqlite3 = sys.modules.get("sqlite3") or __import__("sqlite3")
    connection = sqlite3.connect(path or ":memory:")
    if pages:
        connection.deserialize(pages)
    for name, value in pragmas.items():
        connection.execute(f"PRAGMA {name} = {value}")
    return connection


def set_connection(connection: Any, settings: dict[str, Any]) -> None:
    """Give a connection its row factory and the like."""
    for name, value in settings.items():
        setattr(connection, name, value)


def closed_connection() -> Any:
    """Make a connection that is closed."""
    sqlite3 = sys.modules.get("sqlite3") or __import__("sqlite3")
    connection = sqlite3.connect(":memory:")
    connection.close()
    return connection


def _path(connection: Any) -> str:
    databases = [row for row in _rows(connection, "PRAGMA database_list") if row[1] != "temp"]
    if len(databases) > 1:
        raise pickle.PicklingError(f"cannot hand over a connection with the attached database {databases[1][1]!r}")
    return str(databases[0][2] or "")


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
    return bytes(connection.serialize())


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
