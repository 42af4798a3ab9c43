"""Having the courier's pod: made where it is missing, again where it ended, and what keeps it from working in words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from j2k_dev.deploy import courier_pod, trouble
from j2k_dev.deploy.courier_pod import CourierPod
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.worker.frames import LineLost
from tests.deploy.answering import kubectl

MANIFEST = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "courier-1", "namespace": "n", "annotations": {courier_pod.SERVE: '["python"]'}},
}


def pod(phase: str = "Running", waiting: str = "", **metadata: str) -> str:
    ready = {"type": "Ready", "status": "True" if phase == "Running" and not waiting else "False"}
    state = {"waiting": {"reason": waiting, "message": "not found"}} if waiting else {"running": {}}
    status = {
        "phase": phase,
        "conditions": [ready],
        "containerStatuses": [{"image": "x", "state": state, "lastState": {}}],
    }
    return json.dumps({"items": [{"metadata": {"name": "courier-1", **metadata}, "spec": {}, "status": status}]})


def have(*answers: Any) -> list[str]:
    calls, runner = kubectl(*answers)
    CourierPod(calls, MANIFEST)._have()
    return [line.partition(" ")[0] for line in runner.lines]


def test_a_pod_that_is_ready_is_left_alone() -> None:
    assert have(pod()) == ["get"]


def test_a_pod_that_is_missing_is_made() -> None:
    assert have("", "applied", pod("Pending"), pod()) == ["get", "apply", "get", "get"]


def test_a_pod_that_ended_is_made_again() -> None:
    assert have(pod("Succeeded"), "", "", "applied", pod()) == ["get", "delete", "get", "apply", "get"]
    assert have(pod(deletionTimestamp="now"), "", "", "", pod())[1] == "delete"


def test_a_pod_that_cannot_start_ends_the_wait_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trouble, "_SECONDS", 0.1)
    calls, _ = kubectl(*[pod("Pending", "ErrImagePull")] * 9)
    with pytest.raises(MachineryFailed, match=r"the courier's pod courier-1 can't work: .*not found"):
        CourierPod(calls, MANIFEST).connect()


def test_what_the_cluster_forbids_is_told_at_once() -> None:
    refused = MachineryFailed("kubectl ended with 1", "", "Error from server (Forbidden): pods is forbidden")
    with pytest.raises(MachineryFailed, match="kubectl ended with 1"):
        CourierPod(kubectl(refused)[0], MANIFEST).connect()


def test_a_cluster_that_is_away_is_asked_again() -> None:
    away = MachineryFailed("kubectl ended with 1", "", "The connection to the server was refused")
    with pytest.raises(LineLost, match="was refused"):
        CourierPod(kubectl(away)[0], MANIFEST).connect()
