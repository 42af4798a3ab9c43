"""Dataclasses to plain JSON values and back, strictly: an unknown or missing field is an error that names itself.

A builder is made once for each type. Builders know no places; what does not fit says where on the way back up.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
Builder = Callable[[Any], Any]


class CodecError(ValueError):
    """A JSON value that does not fit the dataclass it should become; ``place`` is the path to it."""

    def __init__(self, problem: str, place: str = "") -> None:
        super().__init__(problem, place)
        self.problem = problem
        self.place = place

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}"

    def below(self, place: str) -> CodecError:
        """Return the same error, seen from one level up."""
        return CodecError(self.problem, place + self.place)


def to_plain(value: Any) -> Any:
    """Turn dataclasses, tuples and mappings into what ``json.dumps`` takes, without copying leaves."""
    if isinstance(value, (str, int, float, bool, type(None))):
        return value
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: to_plain(getattr(value, name)) for name in _field_types(type(value))}
    return value


def from_plain(kind: type[T], plain: Any) -> T:
    """Build ``kind`` from what ``json.loads`` gave; raise CodecError with the path of the first misfit."""
    try:
        return typing.cast("T", _builder(typing.cast("typing.Hashable", kind))(plain))
    except CodecError as error:
        raise error.below(kind.__name__) from None


@functools.cache
def _field_types(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


@functools.cache
def _builder(kind: Any) -> Builder:
    if kind is Any:
        return lambda plain: plain
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is not None:
        return _generic(origin, arguments)
    if dataclasses.is_dataclass(kind):
        return _dataclass(typing.cast("type", kind))
    return _float if kind is float else _exactly(kind)


def _generic(origin: Any, arguments: tuple[Any, ...]) -> Builder:
    if origin in (typing.Union, types.UnionType):
        return _optional(arguments)
    if origin is tuple:
        return _tuple(_builder(arguments[0]))
    if origin is dict:
        return _dict(_builder(arguments[1]))
    assert origin is typing.Literal, f"the codec does not know {origin}"
    return lambda plain: plain if isinstance(plain, str) and plain in arguments else _misfit(plain)


def _exactly(kind: type) -> Builder:
    return lambda plain: plain if type(plain) is kind else _misfit(plain)


def _float(plain: Any) -> float:
    return float(plain) if type(plain) in (int, float) else _misfit(plain)


def _optional(options: tuple[Any, ...]) -> Builder:
    (build,) = [_builder(option) for option in options if option is not type(None)]
    return lambda plain: None if plain is None else build(plain)


def _tuple(build: Builder) -> Builder:
    def tuple_of(plain: Any) -> tuple[Any, ...]:
        if type(plain) is not list:
            _misfit(plain)
        return tuple(_at(build, item, f"[{number}]") for number, item in enumerate(plain))

    return tuple_of


def _dict(build: Builder) -> Builder:
    def dict_of(plain: Any) -> dict[str, Any]:
        if type(plain) is not dict:
            _misfit(plain)
        return {key: _at(build, item, f".{key}") for key, item in plain.items()}

    return dict_of


def _dataclass(kind: type) -> Builder:
    builders: dict[str, Builder] = {}

    def instance(plain: Any) -> Any:
        if not builders:  # not before it is used: a dataclass may hold others of its kind
            builders.update({name: _builder(hint) for name, hint in _field_types(kind).items()})
        if type(plain) is not dict:
            _misfit(plain)
        if unknown := plain.keys() - builders.keys():
            raise CodecError(f"unknown field {', '.join(sorted(unknown))}")
        values = {name: _at(builders[name], item, f".{name}") for name, item in plain.items()}
        try:
            return kind(**values)
        except TypeError as error:
            raise CodecError(str(error)) from error

    return instance


def _at(build: Builder, item: Any, place: str) -> Any:
    try:
        return build(item)
    except CodecError as error:
        raise error.below(place) from None


def _misfit(plain: Any) -> typing.NoReturn:
    raise CodecError(f"{plain!r:.80} does not fit")
