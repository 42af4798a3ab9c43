"""What the standard library makes that pickle refuses or copies wrongly: weak references, locks, files, dict views."""

from __future__ import annotations

import collections
import copyreg
import csv
import gc
import io
import itertools
import os
import pickle
import re
import subprocess
import threading
import types
import weakref
from typing import Any

Reduced = tuple[Any, ...]

lock_type = type(threading.Lock())
csv_writer_type = type(csv.writer(io.StringIO()))
_MAPPINGS: tuple[dict[Any, Any], ...] = ({}, collections.OrderedDict())
_VIEWS = [type(getattr(mapping, kind)()) for mapping in _MAPPINGS for kind in ("keys", "values", "items")]
_SEARCHES = ("search", "match", "fullmatch")
_DIALECT = (
    "delimiter", "doublequote", "escapechar", "lineterminator", "quotechar", "quoting", "skipinitialspace", "strict",
)  # fmt: skip
rlock_type = type(threading.RLock())


def reduce_weakref(reference: weakref.ref[Any]) -> Reduced:
    """Reduce a weak reference; what it refers to lives on only if something else that travels holds it."""
    target = reference()
    return (dead_reference, ()) if target is None else (weakref.ref, (target,))


def dead_reference() -> weakref.ref[Any]:
    """Return a weak reference to something that is gone."""

    class Gone:
        pass

    return weakref.ref(Gone())


def reduce_weak_dict(mapping: Any) -> Reduced:
    """Reduce a WeakKeyDictionary or WeakValueDictionary to the entries that are alive."""
    return type(mapping), (), None, None, iter(list(mapping.items()))


def reduce_lock(lock: Any) -> Reduced:
    """Reduce a lock that nobody holds to a new one."""
    if not lock.acquire(blocking=False):
        raise pickle.PicklingError(f"cannot hand over a held {type(lock).__name__}: some thread is at work")
    lock.release()
    return (threading.RLock if isinstance(lock, rlock_type) else threading.Lock), ()


def reduce_thread(thread: threading.Thread) -> Reduced:
    """Reduce a thread that has ended; a running one can't go to another process."""
    if thread.is_alive():
        raise pickle.PicklingError(f"cannot hand over the running thread {thread.name!r}: join it before the cell ends")
    state = {key: value for key, value in vars(thread).items() if key not in {"_stderr", "_invoke_excepthook"}}
    return make_ended_thread, (type(thread), thread.name), state


def make_ended_thread(kind: type[threading.Thread], name: str) -> threading.Thread:
    """Make a thread that has run already."""
    ended = threading.Thread(target=lambda: None, name=name)
    ended.start()
    ended.join()
    if kind is not threading.Thread:
        ended.__class__ = kind
    return ended


def reduce_process(process: subprocess.Popen[Any]) -> Reduced:
    """Reduce a program that has ended; a running one belongs to the process that started it."""
    if process.poll() is None:
        raise pickle.PicklingError(f"cannot hand over the running program {process.args!r}: wait for it in its cell")
    return object.__reduce_ex__(process, 2)  # type: ignore[return-value]  # never a plain name


def view_of(mapping: dict[Any, Any], kind: str) -> Any:
    """Return the live view of ``mapping`` that ``kind`` (keys, values or items) names."""
    return getattr(mapping, kind)()


def reduce_view(view: Any) -> Reduced:
    """Reduce a dict view together with its dict, which goes on changing under it."""
    (mapping,) = (value for value in gc.get_referents(view) if isinstance(value, dict))
    return view_of, (mapping, type(view).__name__.rpartition("_")[2])


def reduce_mapping_proxy(proxy: Any) -> Reduced:
    """Reduce a read-only view of a mapping together with the mapping."""
    (mapping,) = gc.get_referents(proxy)
    return types.MappingProxyType, (mapping,)


def reduce_guarded(value: Any) -> Any:
    """Reduce an instance whose class has ``__getattr__`` so that nothing is asked of it before it has its state."""
    kind: Any = type(value)
    if kind.__reduce_ex__ is not object.__reduce_ex__ or kind.__reduce__ is not object.__reduce__:
        return NotImplemented
    reduced = value.__reduce_ex__(4)
    if not isinstance(reduced, tuple) or reduced[0] is not copyreg.__newobj__:  # type: ignore[attr-defined]  # no stub
        return NotImplemented
    function, arguments, state, items, pairs = (*reduced, *[None] * 5)[:5]
    return function, arguments, state, items, pairs, set_guarded


def set_guarded(value: Any, state: Any) -> None:
    """Give an instance its state without asking it for ``__setstate__``."""
    kind = type(value)
    if hasattr(kind, "__setstate__"):
        kind.__setstate__(value, state)
        return
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    if attributes:
        object.__getattribute__(value, "__dict__").update(attributes)
    for name, content in (slots or {}).items():
        object.__setattr__(value, name, content)


def reduce_file(file: Any) -> Reduced:
    """Reduce a file to its path, mode, encoding and position; its contents are part of the working directory."""
    details = {name: getattr(file, name, None) for name in ("name", "mode", "encoding", "errors", "newlines")}
    if file.closed:
        return make_closed_file, (details["name"], details["mode"] or "r", details["encoding"])
    if not isinstance(details["name"], str) or not os.path.isfile(details["name"]):  # noqa: PTH113 - may be bytes or a number
        raise pickle.PicklingError(f"cannot hand over the open stream {file!r}: close it in its cell")
    if file.writable():
        file.flush()
    path = os.path.abspath(details["name"])  # noqa: PTH100 - the name stays as it was given
    buffering = 0 if isinstance(file, io.RawIOBase) else -1
    return open_again, (path, details, file.tell(), buffering, getattr(file, "line_buffering", False))


def open_again(path: str, details: dict[str, Any], position: int, buffering: int, line_buffering: bool) -> Any:  # noqa: FBT001 - a pickle passes it by place
    """Open a file where it was, without truncating what is in it."""
    mode = _mode(details)
    text = details["encoding"] is not None
    again = mode.replace("w", "r+").replace("x", "r+").replace("++", "+")
    options = {"encoding": details["encoding"], "errors": details["errors"]} if text else {}
    file: Any = open(path, again if text else _binary(again), buffering, **options)  # noqa: SIM115, PTH123 - it stays open
    file.seek(position)
    if text:
        file.reconfigure(line_buffering=line_buffering)
        file.mode = mode
    _raw(file).name = details["name"]
    return file


def _raw(file: Any) -> Any:
    """Return the lowest layer of a file, which knows its name."""
    while not isinstance(file, io.RawIOBase):
        file = getattr(file, "buffer", None) or file.raw
    return file


def _mode(details: dict[str, Any]) -> str:
    mode = details["mode"]
    return mode if isinstance(mode, str) else "rb"


def _binary(mode: str) -> str:
    return mode if "b" in mode else mode + "b"


def make_closed_file(name: Any, mode: str, encoding: str | None) -> Any:
    """Make a closed file that says the name it had."""
    binary = encoding is None
    file: Any = open(os.devnull, "rb" if binary else "r", encoding=encoding)  # noqa: SIM115, PTH123 - closed below
    _raw(file).name = name
    if not binary:
        file.mode = mode
    file.close()
    return file


def reduce_match(match: re.Match[Any]) -> Reduced:
    """Reduce a match of a regular expression to the search that finds it."""
    arguments = (match.re, match.string, match.pos, match.endpos)
    for how in _SEARCHES:
        if _same_match(match, search_again(how, 0, *arguments)):
            return search_again, (how, 0, *arguments)
    for number, other in enumerate(match.re.finditer(*arguments[1:])):
        if _same_match(match, other):
            return search_again, ("finditer", number, *arguments)
    raise pickle.PicklingError(f"cannot hand over {match!r}: no search finds it again")


def search_again(how: str, number: int, pattern: re.Pattern[Any], text: Any, start: int, end: int) -> Any:
    """Search again; ``number`` counts the matches of finditer from 0."""
    found = getattr(pattern, how)(text, start, end)
    return next(itertools.islice(found, number, None)) if how == "finditer" else found


def _same_match(one: re.Match[Any], other: re.Match[Any] | None) -> bool:
    return other is not None and one.regs == other.regs and one.lastindex == other.lastindex


def reduce_csv_writer(writer: Any) -> Reduced:
    """Reduce a csv writer to the file it writes to and its dialect."""
    write = next(value for value in gc.get_referents(writer) if callable(value) and hasattr(value, "__self__"))
    dialect = {name: getattr(writer.dialect, name) for name in _DIALECT}
    return make_csv_writer, (write.__self__, dialect)


def make_csv_writer(file: Any, dialect: dict[str, Any]) -> Any:
    """Make a csv writer for a file."""
    return csv.writer(file, **dialect)


REDUCERS: dict[type, Any] = {
    csv_writer_type: reduce_csv_writer,
    re.Match: reduce_match,
    weakref.ref: reduce_weakref,
    weakref.WeakKeyDictionary: reduce_weak_dict,
    weakref.WeakValueDictionary: reduce_weak_dict,
    lock_type: reduce_lock,
    rlock_type: reduce_lock,
    threading.Thread: reduce_thread,
    subprocess.Popen: reduce_process,
    types.MappingProxyType: reduce_mapping_proxy,
    io.TextIOWrapper: reduce_file,
    io.BufferedReader: reduce_file,
    io.BufferedWriter: reduce_file,
    io.BufferedRandom: reduce_file,
    io.FileIO: reduce_file,
    **dict.fromkeys(_VIEWS, reduce_view),
}
