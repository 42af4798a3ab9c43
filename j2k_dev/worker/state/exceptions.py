"""Exceptions with all they have: attributes, what they came from, and the traceback.

A traceback holds frames, which no pickle can. What tracebacks are printed from is kept: file, function, arguments'
names, line and columns of each frame. Frames are made anew from a function that raises, dressed up as the other one;
their local variables stay behind.
"""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Reduced = tuple[Any, ...]
Span = tuple[int, int, int, int]  # line, last line, column, last column

_LONG_FORM = 14
_ENTRY_UNITS = 8
_ARGUMENT_FLAGS = 0x04 | 0x08  # *args, **kwargs
_TUPLE = 3


def reduce_exception(error: BaseException) -> Any:
    """Reduce an exception; one of the notebook's own classes without calling its ``__init__`` a second time."""
    if type(error).__module__ == "__main__":
        made: tuple[Any, ...] = (make_exception, (type(error), error.args), vars(error))
    else:
        made = error.__reduce_ex__(4)  # type: ignore[assignment]  # never a plain name
    attributes = made[2] if len(made) >= _TUPLE else None
    state = (attributes, error.__cause__, error.__context__, error.__suppress_context__, error.__traceback__)
    return (*made[:2], state, None, None, set_exception)


def make_exception(kind: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    """Make an exception as ``__new__`` leaves it."""
    error: BaseException = kind.__new__(kind, *args)
    error.args = args
    return error


def set_exception(error: BaseException, state: tuple[Any, ...]) -> None:
    """Give an exception its attributes, what it came from, and its traceback."""
    attributes, error.__cause__, error.__context__, error.__suppress_context__, error.__traceback__ = state
    if type(error).__module__ == "__main__":
        vars(error).update(attributes or {})
    elif attributes is not None:
        error.__setstate__(attributes)


@dataclass(frozen=True)
class Frame:
    """What is printed of one frame; ``arguments`` are counts (all, positional only, keyword only) and flags."""

    file: str
    name: str
    qualname: str
    line: int
    first_line: int
    arguments: tuple[int, int, int, int]
    names: tuple[str, ...]
    span: Span | None


def reduce_traceback(traceback: types.TracebackType) -> Reduced:
    """Reduce a traceback to its frames, the outermost first."""
    return make_traceback, ([(_frame(each), _globals(each)) for each in _chain(traceback)],)


def _chain(traceback: types.TracebackType | None) -> Iterator[types.TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _globals(traceback: types.TracebackType) -> dict[str, Any]:
    """Return the notebook's namespace itself, of any other what says whose it is."""
    namespace = traceback.tb_frame.f_globals
    if namespace.get("__name__") == "__main__":
        return namespace
    return {name: namespace[name] for name in ("__name__", "__file__") if isinstance(namespace.get(name), str)}


def _frame(traceback: types.TracebackType) -> Frame:
    code = traceback.tb_frame.f_code
    counts = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & _ARGUMENT_FLAGS
    number = counts[0] + counts[2] + counts[3].bit_count()
    return Frame(
        file=code.co_filename,
        name=code.co_name,
        qualname=getattr(code, "co_qualname", code.co_name),
        line=traceback.tb_lineno,
        first_line=code.co_firstlineno,
        arguments=counts,
        names=code.co_varnames[:number],
        span=_span(code, traceback.tb_lasti),
    )


def _span(code: types.CodeType, instruction: int) -> Span | None:
    if not hasattr(code, "co_positions") or instruction < 0:
        return None
    found = next(islice(code.co_positions(), instruction // 2, None), (None,) * 4)
    return None if None in found else (found[0], found[1], found[2], found[3])  # type: ignore[return-value]  # just tested


def make_traceback(frames: list[tuple[Frame, dict[str, Any]]]) -> types.TracebackType | None:
    """Make a traceback of frames that look like those."""
    traceback = None
    for frame, namespace in reversed(frames):
        real = _raised(_dressed(frame), namespace, frame)
        traceback = types.TracebackType(traceback, real.tb_frame, real.tb_lasti, frame.line)
    return traceback


def _fail() -> None:
    1 / 0  # noqa: B018 - for its traceback


def _dressed(frame: Frame) -> types.CodeType:
    count, positional, keyword, flags = frame.arguments
    look: dict[str, Any] = {"co_qualname": frame.qualname} if hasattr(_fail.__code__, "co_qualname") else {}
    if frame.span is not None:
        look["co_linetable"] = _line_table(frame.first_line, frame.span, len(_fail.__code__.co_code) // 2)
    return _fail.__code__.replace(
        co_filename=frame.file,
        co_name=frame.name,
        co_firstlineno=frame.first_line,
        co_argcount=count,
        co_posonlyargcount=positional,
        co_kwonlyargcount=keyword,
        co_varnames=frame.names,
        co_nlocals=len(frame.names),
        co_flags=_fail.__code__.co_flags | flags,
        **look,
    )


def _raised(code: types.CodeType, namespace: dict[str, Any], frame: Frame) -> types.TracebackType:
    count, _, keyword, flags = frame.arguments
    named = dict.fromkeys(frame.names[count : count + keyword])
    assert not flags & ~_ARGUMENT_FLAGS
    try:
        types.FunctionType(code, namespace)(*[None] * count, **named)
    except ZeroDivisionError:
        outer = sys.exc_info()[2]
    assert outer is not None
    assert outer.tb_next is not None
    return outer.tb_next


def _line_table(first_line: int, span: Span, units: int) -> bytes:
    """Return a location table that puts every instruction at ``span`` (CPython's Objects/locations.md, from 3.11)."""
    line, last_line, column, last_column = span
    place = _number(last_line - line) + _number(column + 1) + _number(last_column + 1)
    table = b""
    delta = line - first_line
    while units > 0:
        length = min(units, _ENTRY_UNITS)
        table += bytes([0x80 | _LONG_FORM << 3 | length - 1]) + _signed(delta) + place
        delta, units = 0, units - length
    return table


def _number(value: int) -> bytes:
    """Write a number in groups of six bits, the lowest first."""
    groups = bytearray()
    while value >= 1 << 6:
        groups.append(0x40 | value & 0x3F)
        value >>= 6
    groups.append(value)
    return bytes(groups)


def _signed(value: int) -> bytes:
    return _number((-value << 1) | 1 if value < 0 else value << 1)


REDUCERS: dict[type, Any] = {types.TracebackType: reduce_traceback}
