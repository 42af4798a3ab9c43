"""YAML that people write, read strictly into frozen dataclasses: every problem at once, each with its line."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from j2k_dev.model.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

T = TypeVar("T")
_WORDS = {str: "a text", int: "a whole number", bool: "true or false"}


def rule(check: Callable[[Any], str], **default: Any) -> Any:
    """Make a field of a dataclass whose values are checked; ``check`` says what is wrong with one, or nothing."""
    return dataclasses.field(metadata={"rule": check}, **default)


def read_yaml(kind: type[T], path: Path, way_out: str) -> T:
    """Read a file as a dataclass; raise BadInput with everything that is wrong with it."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} can't be read: {error}", way_out) from error
    except yaml.YAMLError as error:
        raise BadInput(f"{path} is no YAML: {' '.join(str(error).split())}", way_out) from error
    reader = _Reader()
    found = reader.built(kind, node, "") if node is not None else None
    problems = reader.problems if node is not None else [(1, "the file is empty")]
    if problems:
        told = "; ".join(f"line {line}: {problem}" for line, problem in sorted(problems))
        raise BadInput(f"{path}: {told}", way_out)
    return typing.cast("T", found)


class _Reader:
    """Builds values from nodes and collects what is wrong; a value that is wrong is None."""

    def __init__(self) -> None:
        self.problems: list[tuple[int, str]] = []

    def built(self, kind: Any, node: yaml.Node, place: str) -> Any:
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if origin in (typing.Union, types.UnionType):
            (kind,) = [option for option in arguments if option is not types.NoneType]
            return None if node.tag == "tag:yaml.org,2002:null" else self.built(kind, node, place)
        if dataclasses.is_dataclass(kind):
            return self._dataclass(typing.cast("type", kind), node, place)
        if origin is tuple:
            return self._tuple(arguments[0], node, place)
        if origin is dict:
            return {
                name: self.built(arguments[1], value, _below(place, name)) for name, value in self._map(node, place)
            }
        if origin is typing.Literal:
            return self._one_of(arguments, node, place)
        return self._scalar(kind, node, place)

    def _dataclass(self, kind: type, node: yaml.Node, place: str) -> Any:
        hints, fields = typing.get_type_hints(kind), {field.name: field for field in dataclasses.fields(kind)}
        values = {}
        before = len(self.problems)
        for written, value in self._map(node, place):
            name = _as_python(written)
            if name not in fields or as_written(name) != written:
                known = ", ".join(map(as_written, fields))
                self._tell(value, f"unknown field {_below(place, written)} (there are {known})")
                continue
            values[name] = self.built(hints[name], value, _below(place, written))
            self._check(fields[name], values[name], value, _below(place, written))
        self._tell_missing(fields, values, node, place)
        return None if len(self.problems) > before else kind(**values)

    def _check(self, field: dataclasses.Field[Any], value: Any, node: yaml.Node, place: str) -> None:
        check = field.metadata.get("rule")
        if check is not None and value is not None and (wrong := check(value)):
            self._tell(node, f"{place}: {wrong}")

    def _tell_missing(self, fields: dict[str, Any], values: dict[str, Any], node: yaml.Node, place: str) -> None:
        for name, field in fields.items():
            needed = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            if needed and name not in values:
                self._tell(node, f"{_below(place, as_written(name))} is missing")

    def _map(self, node: yaml.Node, place: str) -> Iterator[tuple[str, yaml.Node]]:
        if not isinstance(node, yaml.MappingNode):
            self._tell(node, f"{place or 'the file'} has to be fields with values")
            return
        seen = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._tell(key, f"{place or 'the file'} has a field whose name is no text")
                continue
            if key.value in seen:
                self._tell(key, f"{_below(place, key.value)} stands there twice")
            seen.add(key.value)
            yield key.value, value

    def _tuple(self, kind: Any, node: yaml.Node, place: str) -> tuple[Any, ...]:
        if not isinstance(node, yaml.SequenceNode):
            self._tell(node, f"{place} has to be a list")
            return ()
        return tuple(self.built(kind, item, f"{place}[{number}]") for number, item in enumerate(node.value))

    def _one_of(self, options: tuple[Any, ...], node: yaml.Node, place: str) -> Any:
        value = node.value if isinstance(node, yaml.ScalarNode) else None
        if value not in options:
            self._tell(node, f"{place} has to be one of {', '.join(options)}")
        return value

    def _scalar(self, kind: type, node: yaml.Node, place: str) -> Any:
        value = _value(node) if isinstance(node, yaml.ScalarNode) else None
        if type(value) is not kind:
            self._tell(node, f"{place} has to be {_WORDS[kind]}{_quotes(kind, node)}")
            return None
        return value

    def _tell(self, node: yaml.Node, problem: str) -> None:
        self.problems.append((node.start_mark.line + 1, problem))


def _value(node: yaml.ScalarNode) -> Any:
    """Read a scalar; None for one with a tag that YAML does not define."""
    try:
        return yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, ValueError):
        return None


def _quotes(kind: type, node: yaml.Node) -> str:
    is_text = kind is str and isinstance(node, yaml.ScalarNode) and node.value
    return f': write "{node.value}"' if is_text else ""


def _below(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _as_python(written: str) -> str:
    """Turn a name as Kubernetes writes it (``nodeSelector``) into ours."""
    name = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in written)
    return f"{name}_" if name == "class" else name


def as_written(name: str) -> str:
    """Turn the name of a field into the one that files have for it (``nodeSelector``)."""
    first, *rest = name.rstrip("_").split("_")
    return first + "".join(word.capitalize() for word in rest)
