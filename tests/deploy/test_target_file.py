"""The target file that is written to be filled in, and the schema beside it: the same as j2k itself says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from j2k_dev.deploy.data import manifests_folder
from j2k_dev.deploy.target import read_target
from j2k_dev.deploy.target_file import write_new_target
from j2k_dev.model.errors import BadInput

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLE = manifests_folder() / "example" / "targets" / "prod.yaml"


@pytest.fixture
def validator(tmp_path: Path) -> Draft202012Validator:
    file = write_new_target("prod", tmp_path)
    return Draft202012Validator(json.loads((file.parent / ".schema.json").read_text()))


def test_what_is_written_is_a_target_and_names_its_schema(tmp_path: Path) -> None:
    file = write_new_target("prod", tmp_path)
    assert read_target("prod", file, tmp_path).context == "prod"
    assert file.read_text().startswith("# yaml-language-server: $schema=.schema.json\n")


def test_a_target_file_that_is_there_stays(tmp_path: Path) -> None:
    file = write_new_target("prod", tmp_path)
    file.write_text("mine")
    with pytest.raises(BadInput, match="is there already"):
        write_new_target("prod", tmp_path)
    assert file.read_text() == "mine"


def test_the_schema_takes_what_j2k_takes(validator: Draft202012Validator, tmp_path: Path) -> None:
    validator.check_schema(validator.schema)
    validator.validate(yaml.safe_load(EXAMPLE.read_text()))
    validator.validate(yaml.safe_load((tmp_path / "targets" / "prod.yaml").read_text()))


@pytest.mark.parametrize(
    "change",
    [
        {"contxt": "prod"},
        {"replicas": "2"},
        {"kafka": {"protocol": "SSL"}},
        {"kafka": {"bootstrap": "kafka:9092", "mechanism": "SCRAM"}},
        {"storage": {"class": "efs", "efs": {"filesystem": "fs-1"}}},
        {"nodeSelector": {"gpu": True}},
        {"resources": {"fit": {"memroy": "1Gi"}}},
    ],
)
def test_the_schema_refuses_what_j2k_refuses(
    validator: Draft202012Validator, tmp_path: Path, change: dict[str, Any]
) -> None:
    wrong = {**yaml.safe_load(EXAMPLE.read_text()), "kafka": {"bootstrap": "kafka:9092"}, **change}
    assert not validator.is_valid(wrong)
    file = tmp_path / "wrong.yaml"
    file.write_text(yaml.safe_dump(wrong))
    with pytest.raises(BadInput):
        read_target("prod", file, tmp_path)
