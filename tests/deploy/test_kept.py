"""Volumes that outlive their claims: what is asked of the cluster, and what is refused."""

from __future__ import annotations

import json

import pytest

from j2k_dev.deploy.kept import free_volume, keep_volume, kept_volume, let_volume_go
from j2k_dev.model.errors import MachineryFailed, Refused
from tests.deploy.answering import kubectl

CLAIM = json.dumps({"items": [{"spec": {"volumeName": "pv-1"}}]})
NOTHING = json.dumps({"items": []})
FORBIDDEN = MachineryFailed("kubectl ended with 1", "", "Error from server (Forbidden): no")


def volume(phase: str = "Bound", policy: str = "Delete") -> str:
    metadata = {"name": "pv-1", "annotations": {}}
    spec = {"persistentVolumeReclaimPolicy": policy}
    return json.dumps({"items": [{"metadata": metadata, "spec": spec, "status": {"phase": phase}}]})


def test_a_volume_is_kept_with_what_was_to_become_of_it() -> None:
    calls, runner = kubectl(CLAIM, volume(), "")
    assert keep_volume(calls, "n") == "pv-1"
    assert '"persistentVolumeReclaimPolicy": "Retain"' in runner.lines[-1]
    assert '"j2k.dev/reclaim-policy": "Delete"' in runner.lines[-1]


def test_where_there_is_no_claim_nothing_is_kept() -> None:
    calls, runner = kubectl(NOTHING)
    assert keep_volume(calls, "n") == ""
    assert len(runner.lines) == 1


def test_data_that_would_go_are_not_removed() -> None:
    calls, _ = kubectl(CLAIM, volume(), FORBIDDEN)
    with pytest.raises(Refused, match="the data on the volume pv-1 would go with its claim") as caught:
        keep_volume(calls, "n")
    assert "--purge" in caught.value.way_out


def test_a_kept_volume_is_made_ready_to_be_claimed() -> None:
    assert kept_volume(kubectl(volume("Released"))[0], "n") == "pv-1"
    calls, runner = kubectl(volume("Released"), "")
    free_volume(calls, "n")
    assert '"claimRef": null' in runner.lines[-1]
    calls, runner = kubectl(volume("Bound"))
    free_volume(calls, "n")
    assert len(runner.lines) == 1, "it is claimed"


def test_who_may_not_see_volumes_has_kept_none() -> None:
    assert kept_volume(kubectl(FORBIDDEN)[0], "n") == ""
    with pytest.raises(MachineryFailed):
        kept_volume(kubectl(MachineryFailed("kubectl ended with 1", "", "connection refused"))[0], "n")


def test_a_volume_that_is_let_go_is_as_it_was() -> None:
    told = json.loads(volume("Bound", "Retain"))
    told["items"][0]["metadata"]["annotations"]["j2k.dev/reclaim-policy"] = "Delete"
    calls, runner = kubectl(json.dumps(told), "")
    let_volume_go(calls, "n")
    assert '"persistentVolumeReclaimPolicy": "Delete"' in runner.lines[-1]
    assert '"j2k.dev/kept": null' in runner.lines[-1]
