"""The plan's file: what was planned is read back exactly, and nothing else is taken for it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from j2k_dev.engine.workspace import OURS
from j2k_dev.model.errors import BadInput, Refused
from j2k_dev.promote.plan import FOLDER, digest_of, plan_path, read_plan, write_plan
from tests.promote.made_plan import OBJECTS, plan

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = plan_path(tmp_path, "arn:aws:eks:eu-central-1:123:cluster/prod")
    write_plan(path, plan())
    return path


def change(path: Path, **changed: Any) -> None:
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, **changed}))


def test_a_plan_is_read_as_it_was_written(path: Path) -> None:
    assert read_plan(path) == plan()


def test_each_context_has_a_file_of_its_own_below_the_workspace(tmp_path: Path, path: Path) -> None:
    assert path.is_relative_to(tmp_path / "promotions")
    assert plan_path(tmp_path, "other") != path


def test_without_a_plan_it_is_said_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no plan") as caught:
        read_plan(tmp_path / "plan.json")
    assert "--plan" in caught.value.way_out


def test_a_plan_that_was_changed_by_hand_is_refused(path: Path) -> None:
    told = json.loads(path.read_text())
    told["plan"]["objects"][1]["data"] = {"KAFKA_BROKER": "elsewhere:9092"}
    path.write_text(json.dumps(told))
    with pytest.raises(Refused, match="was changed after it was made"):
        read_plan(path)


def test_objects_with_another_digest_than_the_plans_are_refused(path: Path) -> None:
    write_plan(path, replace(plan(), objects=OBJECTS[:1]))
    with pytest.raises(Refused, match="does not fit together"):
        read_plan(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"schema": "j2k.dev/promotion-plan/v9"}'])
def test_what_is_no_plan_is_bad_input(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(BadInput):
        read_plan(path)


def test_an_unknown_field_is_an_error(path: Path) -> None:
    change(path, more=1)
    with pytest.raises(BadInput, match="no plan that this j2k reads"):
        read_plan(path)


def test_the_digest_stands_for_the_objects_and_their_order() -> None:
    assert digest_of(OBJECTS) == digest_of([dict(reversed(each.items())) for each in OBJECTS])
    assert digest_of(OBJECTS) != digest_of(OBJECTS[::-1])


def test_plans_go_with_the_workspace() -> None:
    assert FOLDER in OURS
