"""Release records: whole as ConfigMaps, read with kubectl alone, and which of them counts."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest

from j2k_dev.model.errors import Refused
from j2k_dev.promote.model import Proof, Release, State
from j2k_dev.promote.release import (
    before,
    data,
    from_config_map,
    goes_on,
    live,
    may_take_over,
    next_number,
    read_records,
    selector,
    to_config_map,
    unfinished,
)

PROOF = Proof("kill-stage-2", "survived", "run-1", 5.0, "3f2a-91c0")
RELEASE = Release(
    3, "weather", "weather.ipynb", "live", "ada (ada@lab)", 1_796_000_000.0, "d" * 64, {"notebook": "n" * 64}, (PROOF,),
    previous=2, run="run-9", workspace="/home/ada/.j2k", touched=1_796_000_100.0, entrypoint=("/usr/bin/python3", "-m"),
    evidence=({"scenario": "kill-stage-2", "signature": "s" * 128},),
    objects=({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "grün"}},),
)  # fmt: skip


def of(number: int, state: State, **more: Any) -> Release:
    return replace(RELEASE, number=number, state=state, **more)


def test_a_record_is_read_back_whole() -> None:
    assert from_config_map(json.loads(json.dumps(to_config_map(RELEASE, "science")))) == RELEASE


def test_a_record_is_found_by_its_labels_and_tells_people_what_it_is_without_j2k() -> None:
    found = to_config_map(replace(RELEASE, without_evidence="the demo is at noon"), "science")
    labels, told = found["metadata"]["labels"], found["data"]
    for each in selector("weather").split(","):
        name, _, value = each.partition("=")
        assert labels[name] == value
    assert labels["j2k.dev/state"] == "live"
    assert told["by"] == "ada (ada@lab)"
    assert told["at"] == "2026-11-30T00:53:20Z"
    assert told["previous"] == "2"
    assert told["without-evidence"] == "the demo is at noon"
    assert json.loads(told["evidence.json"])[0]["signature"] == "s" * 128
    assert json.loads(told["release.json"])["of"] == {"notebook": "n" * 64}
    assert all(isinstance(value, str) for value in told.values())


def test_the_same_release_makes_the_same_record() -> None:
    assert to_config_map(RELEASE, "science") == to_config_map(RELEASE, "science")


def test_what_changes_of_a_record_leaves_its_objects_where_they_are() -> None:
    record = to_config_map(RELEASE, "science")
    record["data"] = data(replace(RELEASE, state="superseded"))
    assert from_config_map(record) == replace(RELEASE, state="superseded")


def test_a_record_that_is_too_large_is_refused_before_anything_is_applied() -> None:
    noise = random.Random(1).randbytes(1_500_000).hex()
    with pytest.raises(Refused, match="the record of release 3 would take"):
        to_config_map(replace(RELEASE, objects=({"noise": noise},)), "science")


@pytest.mark.parametrize("damage", ["data", "binaryData"])
def test_a_damaged_record_is_left_out_and_its_number_is_not_given_again(damage: str) -> None:
    record = to_config_map(RELEASE, "science")
    record[damage] = {"release.json": "{", "objects.json.gz": "no"}
    assert from_config_map(record) is None
    assert read_records([record]) == ()
    assert next_number([record]) == 4


def test_the_first_release_is_number_one() -> None:
    assert next_number([]) == 1


def test_records_are_read_the_earliest_first() -> None:
    records = [to_config_map(of(number, "superseded"), "science") for number in (10, 9)]
    assert [release.number for release in read_records(records)] == [9, 10]


def test_the_latest_live_release_is_live_where_superseding_was_cut_off() -> None:
    assert live([of(1, "live"), of(2, "live"), of(3, "failed")]) == of(2, "live")
    assert live([of(1, "failed")]) is None


def test_going_back_leads_to_the_release_that_was_replaced_and_past_those_that_failed() -> None:
    history = [of(1, "superseded"), of(2, "failed"), of(3, "live", previous=1)]
    assert before(history, history[2]) == history[0]


def test_going_back_twice_leads_to_where_one_was() -> None:
    history = [of(1, "superseded"), of(2, "superseded", previous=1), of(3, "live", previous=2)]
    assert before(history, history[2]) == history[1]


def test_there_is_nothing_before_the_first_release() -> None:
    assert before([of(1, "live", previous=None)], of(1, "live", previous=None)) is None


def test_an_unfinished_release_is_found() -> None:
    assert unfinished([of(1, "live"), of(2, "testing")]) == of(2, "testing")
    assert unfinished([of(1, "live"), of(2, "failed")]) is None


def test_only_the_same_person_in_the_same_workspace_goes_on() -> None:
    assert goes_on(RELEASE, RELEASE.by, RELEASE.workspace)
    assert not goes_on(RELEASE, "eve (eve@lab)", RELEASE.workspace)
    assert not goes_on(RELEASE, RELEASE.by, "/tmp/.j2k")


def test_somebody_elses_release_is_taken_over_only_where_nothing_was_done_for_long() -> None:
    assert not may_take_over(RELEASE, RELEASE.touched + 599)
    assert may_take_over(RELEASE, RELEASE.touched + 601)
