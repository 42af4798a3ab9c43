"""The JSON schema of scenario files, for editors: read from the same dataclasses that the files are read into."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

from j2k_dev.deploy.strict_yaml import as_written
from j2k_dev.scenario.model import SCHEMA, Scenario

_TYPES = {str: "string", int: "integer", bool: "boolean"}


def json_schema() -> dict[str, Any]:
    """Describe scenario files (JSON Schema 2020-12); what is more than types and names, j2k checks itself."""
    described = _dataclass(Scenario)
    described["properties"]["schema"] = {"const": SCHEMA}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "a scenario of j2k", **described}


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
    if dataclasses.is_dataclass(kind):
        return _dataclass(typing.cast("type", kind))
    if typing.get_origin(kind) is tuple:
        return {"type": "array", "items": _type(typing.get_args(kind)[0])}
    if typing.get_origin(kind) is typing.Literal:
        return {"enum": list(typing.get_args(kind))}
    return {"type": _TYPES[kind]}
