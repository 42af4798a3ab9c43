"""The JSON schema says the same as j2k itself: of files that ship, and of files with a mistake."""

from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from j2k_dev.scenario.catalogue import shipped
from j2k_dev.scenario.json_schema import json_schema

VALIDATOR = Draft202012Validator(json_schema())
FILES = sorted(shipped().glob("*.yaml"))


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_ships_fits_the_schema(file: Any) -> None:
    VALIDATOR.validate(yaml.safe_load(file.read_text()))


@pytest.mark.parametrize(
    "change",
    [
        {"titel": "x"},
        {"method": [{"fault": "kil"}]},
        {"method": [{"fault": "kill", "pont": "cell"}]},
        {"method": [{"point": "cell"}]},
        {"expect": {"attempts": "many"}},
        {"schema": "j2k.dev/scenario/v2"},
        {"nodes": "3"},
    ],
)
def test_a_mistake_does_not_fit(change: dict[str, Any]) -> None:
    good = yaml.safe_load((shipped() / "kill-stage.yaml").read_text())
    assert not VALIDATOR.is_valid({**good, **change})
