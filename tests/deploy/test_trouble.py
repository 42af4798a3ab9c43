"""What a pod's status means in words, from statuses as Kubernetes writes them."""

from __future__ import annotations

from typing import Any

import pytest

from j2k_dev.deploy.trouble import view


def pod(container: dict[str, Any], **status: Any) -> dict[str, Any]:
    containers = [{"image": "localhost:5001/x@sha256:1", "restartCount": 0, "ready": False, "state": {}} | container]
    labels = {"j2k.dev/stage": "stage-1-load"}
    scheduled = {"type": "PodScheduled", "status": "True"}
    return {
        "metadata": {"name": "stage-1-load-abc", "namespace": "j2k-weather", "labels": labels},
        "status": {"conditions": [scheduled], "containerStatuses": containers} | status,
    }


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason, "message": message}}}


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
def test_an_image_that_cannot_be_pulled_is_named(reason: str) -> None:
    seen = view(pod(waiting(reason, "connection refused")))
    assert seen.phase == "troubled"
    assert seen.why == "the image localhost:5001/x@sha256:1 can't be pulled: connection refused"
    assert seen.way_out


def test_a_pod_without_a_node_says_what_it_lacks() -> None:
    unschedulable = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/1 nodes: 1 Insufficient memory",
    }
    asked = {"memory": "8Gi", "cpu": "100m"}
    seen = view(pod({}, conditions=[unschedulable]) | {"spec": {"containers": [{"resources": {"requests": asked}}]}})
    assert seen.why == "no node has room for it (8Gi of memory, 100m of CPU): 0/1 nodes: 1 Insufficient memory"


def test_a_volume_that_is_not_bound_yet_is_waited_for_longer_than_what_only_a_person_mends() -> None:
    conditions = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "unbound claims"}]
    seen = view(pod({}, conditions=conditions))
    assert seen.why == "no node takes it: unbound claims"
    assert seen.patience > view(pod(waiting("ErrImagePull", "not found"))).patience


@pytest.mark.parametrize("reason", ["ErrImagePull", "CreateContainerConfigError"])
@pytest.mark.parametrize("told", ["failed to sync secret cache: timed out waiting", "401 Unauthorized", "i/o timeout"])
def test_what_the_next_try_may_mend_has_that_try(reason: str, told: str) -> None:
    """The kubelet pulls again after 10 and 20 seconds."""
    assert view(pod(waiting(reason, told))).patience > 30
    assert view(pod(waiting(reason, 'secret "sasl" not found'))).patience < 10


def test_a_crash_loop_says_how_the_container_ended() -> None:
    ended = {"lastState": {"terminated": {"exitCode": 3, "reason": "Error"}}, "restartCount": 4}
    seen = view(pod(waiting("CrashLoopBackOff") | ended))
    assert seen.why == "it ends again and again (exit code 3)"
    assert "--previous" in seen.way_out
    assert seen.restarts == 4


def test_a_container_killed_for_memory_says_so_while_it_starts_again() -> None:
    ended = {"lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}, "state": {"running": {}}}
    seen = view(pod(ended))
    assert seen.killed.startswith("OOMKilled")
    assert not seen.why


@pytest.mark.parametrize(
    ("container", "phase"),
    [
        ({"ready": True, "state": {"running": {}}}, "ready"),
        ({"state": {"running": {}}}, "starting"),
        (waiting("ContainerCreating"), "pulling"),
    ],
)
def test_a_healthy_pod_is_in_one_of_the_phases(container: dict[str, Any], phase: str) -> None:
    assert view(pod(container)).phase == phase


def test_a_pod_that_is_being_deleted_is_stopping() -> None:
    leaving = pod({"ready": True, "state": {"running": {}}})
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert view(leaving).phase == "stopping"


def test_a_pod_that_nobody_looked_at_yet_is_pending() -> None:
    assert view({"metadata": {"name": "x"}, "status": {}}).phase == "pending"
