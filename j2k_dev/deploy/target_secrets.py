"""Keeping secrets out of target files: they are read by many, and named in them, never written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from j2k_dev.engine.scrub import SCRUBBED, Scrubber
from j2k_dev.model.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Fields that name a secret, or a key of something else.
_NAMING = frozenset({"secret", "imagePullSecret", "kmsKeyId", "key"})
_WAY_OUT = "put it into a Secret in the namespace, which kafka.secret or imagePullSecret names"


def refuse_secrets(path: Path) -> None:
    """Raise BadInput that names the fields that hold a secret, and no value; a file that is no YAML is not judged."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return  # whoever reads it says what is wrong
    found = [f"line {line}: {place}" for place, line in _secrets(node, "")]
    if found:
        told = f"{path} holds what looks like a secret in clear text: {'; '.join(found)}"
        raise BadInput(told, f"{_WAY_OUT}; mend {path}")


def _secrets(node: yaml.Node | None, place: str) -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            yield from _secrets(value, f"{place}.{name}" if place else name)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _secrets(item, f"{place}[{number}]")
    elif isinstance(node, yaml.ScalarNode) and is_secret(place.rpartition(".")[2], node.value):
        yield place, node.start_mark.line + 1


def is_secret(name: str, value: str) -> bool:
    """Tell by the name of a field and the shape of its value whether it is a secret in clear text."""
    scrubber = Scrubber(())
    named = name not in _NAMING and scrubber.environment({name: value})[name] == SCRUBBED
    return bool(value) and (named or scrubber.text(value) != value or _login_in_address(value))


def _login_in_address(value: str) -> bool:
    """Tell ``user:password@host:9092``."""
    login, at, _ = value.partition("@")
    return bool(at) and ":" in login and "sha256" not in value
