"""JSON schemas of YAML files that people write, for editors: from the dataclasses that the files are read into."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any

from j2k_dev.deploy.strict_yaml import as_written

_TYPES = {str: "string", int: "integer", bool: "boolean"}


def schema_of(kind: type, title: str) -> dict[str, Any]:
    """Describe files (JSON Schema 2020-12); what is more than types and names, j2k checks itself."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, **_dataclass(kind)}


def _dataclass(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(kind)
    missing = dataclasses.MISSING
    needed = [field.name for field in fields if field.default is missing and field.default_factory is missing]
    return {
        "type": "object",
        "description": (kind.__doc__ or "").strip(),
        "additionalProperties": False,
        "required": list(map(as_written, needed)),
        "properties": {as_written(field.name): _type(hints[field.name]) for field in fields},
    }


def _type(kind: Any) -> dict[str, Any]:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        options = [option for option in arguments if option is not types.NoneType]
        return {"anyOf": [*map(_type, options), {"type": "null"}]}
    if dataclasses.is_dataclass(kind):
        return _dataclass(typing.cast("type", kind))
    if origin is tuple:
        return {"type": "array", "items": _type(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": _type(arguments[1])}
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    return {"type": _TYPES[kind]}
