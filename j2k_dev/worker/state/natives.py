"""What the standard library makes that pickle refuses or copies wrongly: weak references, locks, queues, dict views."""

from __future__ import annotations

import _queue
import collections
import copyreg
import csv
import gc
import io
import itertools
import pickle
import random
import re
import subprocess
import sys
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
    return (dead_reference, ()) if target is None else (weakref.ref, (target, reference.__callback__))


def reduce_weak_method(reference: weakref.WeakMethod[Any]) -> Reduced:
    """Reduce a weak reference to a method."""
    method = reference()
    return (dead_method, ()) if method is None else (weakref.WeakMethod, (method,))


def dead_reference() -> weakref.ref[Any]:
    """Return a weak reference to something that is gone."""

    class Gone:
        pass

    return weakref.ref(Gone())


def dead_method() -> weakref.WeakMethod[Any]:
    """Return a weak reference to a method of something that is gone."""

    class Gone:
        def method(self) -> None:
            pass

    return weakref.WeakMethod(Gone().method)


def reduce_finalizer(finalizer: Any) -> Reduced:
    """Reduce what is to be called when an object goes; one that was called or detached stays so."""
    return make_finalizer, (finalizer.peek(), finalizer.atexit)


def make_finalizer(waiting: tuple[Any, ...] | None, at_exit: bool) -> Any:  # noqa: FBT001 - a pickle passes it by place
    """Make a finalizer of an object, a function and its arguments, or a dead one."""
    if waiting is None:
        return object.__new__(weakref.finalize)
    value, function, arguments, named = waiting
    finalizer = weakref.finalize(value, function, *arguments, **named)
    finalizer.atexit = at_exit
    return finalizer


def reduce_weak_dict(mapping: Any) -> Reduced:
    """Reduce a WeakKeyDictionary or WeakValueDictionary to the entries that are alive."""
    return type(mapping), (), None, None, iter(list(mapping.items()))


def reduce_lock(lock: Any) -> Reduced:
    """Reduce a lock that nobody holds to a new one."""
    if not lock.acquire(blocking=False):
        raise pickle.PicklingError(f"cannot hand over a held {type(lock).__name__}: some thread is at work")
    lock.release()
    return (threading.RLock if isinstance(lock, rlock_type) else threading.Lock), ()


def reduce_queue(waiting: _queue.SimpleQueue[Any]) -> Reduced:
    """Reduce a simple queue to what waits in it, seen by the garbage collector: taking it out would show to threads."""
    count, seen = waiting.qsize(), gc.get_referents(waiting)
    held = seen[:count] if sys.version_info >= (3, 13) else seen[0][len(seen[0]) - count :]
    return _queue.SimpleQueue, (), held, None, None, fill_queue


def fill_queue(waiting: _queue.SimpleQueue[Any], items: list[Any]) -> None:
    """Put what waited into a queue."""
    for item in items:
        waiting.put(item)


def reduce_local(local: threading.local) -> Reduced:
    """Reduce thread-local data to those of this thread; the others, which don't travel, take theirs with them."""
    return threading.local, (), vars(local), None, None, set_local


def set_local(local: threading.local, attributes: dict[str, Any]) -> None:
    """Give this thread its data."""
    vars(local).update(attributes)


def reduce_system_random(_source: random.SystemRandom) -> Reduced:
    """Reduce the system's source of randomness, which has no state, to another one."""
    return random.SystemRandom, ()


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
    """Reduce a program whose end was seen; asking whether it has ended would show, and a next process can't ask."""
    if process.returncode is None:
        what = f"the running program {process.args!r}, or one whose end was not seen"
        raise pickle.PicklingError(f"cannot hand over {what}: wait for it in its cell")
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
    _queue.SimpleQueue: reduce_queue,
    threading.local: reduce_local,
    random.SystemRandom: reduce_system_random,
    weakref.ref: reduce_weakref,
    weakref.WeakMethod: reduce_weak_method,
    weakref.finalize: reduce_finalizer,
    weakref.WeakKeyDictionary: reduce_weak_dict,
    weakref.WeakValueDictionary: reduce_weak_dict,
    lock_type: reduce_lock,
    rlock_type: reduce_lock,
    threading.Thread: reduce_thread,
    subprocess.Popen: reduce_process,
    types.MappingProxyType: reduce_mapping_proxy,
    **dict.fromkeys(_VIEWS, reduce_view),
}
