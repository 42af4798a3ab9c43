"""Dataclasses to plain JSON values and back, strictly: an unknown or missing field is an error that names itself."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from typing import Any, TypeVar

T = TypeVar("T")


class CodecError(ValueError):
    """A JSON value that does not fit the dataclass it should become."""


def to_plain(value: Any) -> Any:
    """Turn dataclasses, tuples and mappings into what ``json.dumps`` takes, without copying leaves."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: to_plain(getattr(value, name)) for name in _field_types(type(value))}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    return value


def from_plain(kind: type[T], plain: Any, where: str = "") -> T:
    """Build ``kind`` from what ``json.loads`` gave; raise CodecError with the path of the first misfit."""
    return typing.cast("T", _build(kind, plain, where or kind.__name__))


@functools.cache
def _field_types(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _build(kind: Any, plain: Any, where: str) -> Any:
    if kind is Any:
        return plain
    if typing.get_origin(kind) is not None:
        return _build_generic(typing.get_origin(kind), typing.get_args(kind), plain, where)
    if dataclasses.is_dataclass(kind):
        return _build_dataclass(typing.cast("type", kind), plain, where)
    if kind is float and type(plain) is int:
        return float(plain)
    return _checked(plain, where, type(plain) is kind)


def _build_generic(origin: Any, arguments: tuple[Any, ...], plain: Any, where: str) -> Any:
    if origin in (typing.Union, types.UnionType):
        return _build_union(arguments, plain, where)
    if origin is tuple:
        return tuple(_build(arguments[0], item, f"{where}[{i}]") for i, item in _items(plain, where))
    if origin is dict:
        checked = _checked(plain, where, isinstance(plain, dict))
        return {key: _build(arguments[1], item, f"{where}.{key}") for key, item in checked.items()}
    assert origin is typing.Literal, f"{where}: the codec does not know {origin}"
    return _checked(plain, where, isinstance(plain, str) and plain in arguments)


def _build_union(options: tuple[Any, ...], plain: Any, where: str) -> Any:
    if plain is None and type(None) in options:
        return None
    (option,) = [option for option in options if option is not type(None)]
    return _build(option, plain, where)


def _build_dataclass(kind: type, plain: Any, where: str) -> Any:
    fields = _field_types(kind)
    given = _checked(plain, where, isinstance(plain, dict))
    unknown = sorted(set(given) - set(fields))
    if unknown:
        raise CodecError(f"{where}: unknown field {', '.join(unknown)}")
    values = {name: _build(fields[name], item, f"{where}.{name}") for name, item in given.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise CodecError(f"{where}: {error}") from error


def _items(plain: Any, where: str) -> enumerate[Any]:
    return enumerate(_checked(plain, where, isinstance(plain, list)))


def _checked(plain: Any, where: str, fits: bool) -> Any:  # noqa: FBT001
    if not fits:
        raise CodecError(f"{where}: {plain!r:.80} does not fit")
    return plain
