"""Writing a target file to fill in, with the JSON schema by which editors complete and check it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from j2k_dev.deploy.json_schema import schema_of
from j2k_dev.deploy.target import FOLDER, Target, template
from j2k_dev.engine.workspace import write_text
from j2k_dev.model.errors import BadInput

if TYPE_CHECKING:
    from pathlib import Path

_SCHEMA = ".schema.json"


def write_new_target(context: str, folder: Path) -> Path:
    """Write ``targets/CONTEXT.yaml`` in a folder; raise BadInput where there is one, which stays as it is."""
    file = folder / FOLDER / f"{context}.yaml"
    if file.exists():
        raise BadInput(f"{file} is there already", "edit it, or remove it")
    schema = schema_of(Target, "what belongs to a cluster")
    write_text(file.with_name(_SCHEMA), json.dumps(schema, indent=1) + "\n")
    write_text(file, f"# yaml-language-server: $schema={_SCHEMA}\n{template(context)}")
    return file
