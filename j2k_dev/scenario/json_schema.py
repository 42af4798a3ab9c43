"""The JSON schema of scenario files, for editors."""

from __future__ import annotations

from typing import Any

from j2k_dev.deploy.json_schema import schema_of
from j2k_dev.scenario.model import SCHEMA, Scenario


def json_schema() -> dict[str, Any]:
    """Describe scenario files (JSON Schema 2020-12); what is more than types and names, j2k checks itself."""
    described = schema_of(Scenario, "a scenario of j2k")
    described["properties"]["schema"] = {"const": SCHEMA}
    return described
