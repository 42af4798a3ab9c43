"""Waiting for Deployments: what is done, what is not, and why it can't be; the cluster is what a test says."""

from __future__ import annotations

import copy
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from j2k_dev.deploy import rollout
from j2k_dev.deploy.rollout import Rollout, rollouts, wait_until_rolled_out
from j2k_dev.model.errors import MachineryFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Object = dict[str, Any]
DIGEST, OLDER = "registry/x@sha256:aa", "registry/x@sha256:bb"


def deployment(ready: int = 1, updated: int = 1, total: int = 1, generation: int = 2, **status: Any) -> Object:
    container = {"name": "worker", "image": DIGEST, "env": [{"name": "A", "value": "1"}]}
    counts = {"replicas": total, "updatedReplicas": updated, "readyReplicas": ready, "observedGeneration": 2}
    return {
        "kind": "Deployment",
        "metadata": {"name": "stage-1-load", "generation": generation},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"j2k.dev/stage": "stage-1-load"}},
            "template": {"spec": {"containers": [container]}},
        },
        "status": {**counts, **status},
    }


def pod(name: str, image: str = DIGEST, waiting: str = "", **more: Any) -> Object:
    state = {"waiting": {"reason": waiting, "message": "no such thing"}} if waiting else {"running": {}}
    container = {"name": "worker", "image": image, "env": [{"name": "A", "value": "1"}, {"name": "ROLE", "value": "x"}]}
    return {
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "x", "labels": {"j2k.dev/stage": "stage-1-load"}},
        "spec": {"containers": [container]},
        "status": {"containerStatuses": [{"state": state, "ready": not waiting, "image": image}], **more},
    }


class Scripted:
    """Stands for a cluster: answers what the test says, the last answer for ever."""

    def __init__(self, *answers: list[Object] | MachineryFailed) -> None:
        self._answers: Iterator[list[Object] | MachineryFailed] = itertools.chain(
            answers, itertools.repeat(answers[-1])
        )
        self.asked = 0

    def get(self, _kind: str, _namespace: str, _selector: str) -> list[Object]:
        self.asked += 1
        answer = next(self._answers)
        if isinstance(answer, MachineryFailed):
            raise answer
        return copy.deepcopy(answer)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_LOOK_SECONDS", "_REFUSED_SECONDS", "_ROOM_SECONDS"):
        monkeypatch.setattr(rollout, name, 0.0)


def wait(cluster: Scripted, timeout: float = 60.0) -> list[Rollout]:
    told: list[Rollout] = []
    wait_until_rolled_out(cluster, "x", "", ["stage-1-load"], told.append, timeout)  # type: ignore[arg-type]
    return told


def only(deployments: Iterable[Object], pods: Iterable[Object] = ()) -> Rollout:
    (found,) = rollouts(deployments, pods)
    return found


def test_a_deployment_whose_pods_are_all_new_and_ready_is_done() -> None:
    assert only([deployment()], [pod("a")]).done


@pytest.mark.parametrize(
    "counts", [{"ready": 0}, {"updated": 0}, {"total": 2}, {"generation": 3}], ids=["unready", "old", "both", "unseen"]
)
def test_a_deployment_with_old_or_unready_pods_is_not_done(counts: dict[str, int]) -> None:
    assert not only([deployment(**counts)]).done


def test_pods_of_an_earlier_template_and_those_that_leave_do_not_count() -> None:
    leaving = pod("leaving")
    leaving["metadata"]["deletionTimestamp"] = "now"
    found = only([deployment()], [pod("new"), pod("old", OLDER), leaving])
    assert [seen.name for seen in found.pods] == ["new"], "a variable more, as webhooks add them, is no other template"


def test_it_is_waited_for_and_told_whenever_it_changes() -> None:
    cluster = Scripted([deployment(ready=0)], [deployment(ready=0)], [deployment()])
    assert [each.ready for each in wait(cluster)] == [0, 1]
    assert cluster.asked == 3


def test_pods_that_a_quota_refuses_are_told_with_the_quotas_words() -> None:
    refusal = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: small, requested: memory=4Gi"}
    with pytest.raises(MachineryFailed, match="stage-1-load are refused: exceeded quota: small") as caught:
        wait(Scripted([deployment(ready=0, conditions=[refusal])]))
    assert "larger quota" in caught.value.way_out


def test_an_image_that_can_t_be_pulled_is_told_though_old_pods_are_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("j2k_dev.deploy.trouble._AGAIN_SECONDS", 0.0)
    seen = [deployment(ready=1, updated=1, total=2), pod("old", OLDER), pod("new", waiting="ErrImagePull")]
    with pytest.raises(MachineryFailed, match=r"the pod new can't work: the image .* can't be pulled") as caught:
        wait(Scripted(seen))
    assert "imagePullSecret" in caught.value.way_out


def test_trouble_that_mends_itself_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("j2k_dev.deploy.trouble._AGAIN_SECONDS", 60.0)
    troubled = [deployment(ready=0), pod("new", waiting="ErrImagePull")]
    assert wait(Scripted(troubled, [deployment(), pod("new")]))[-1].done


def test_a_cluster_that_is_away_for_a_moment_is_asked_again() -> None:
    assert wait(Scripted(MachineryFailed("away"), [deployment()]))[-1].done


def test_a_cluster_that_stays_away_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollout, "_AWAY_SECONDS", 0.0)
    with pytest.raises(MachineryFailed, match="away"):
        wait(Scripted(MachineryFailed("away")))


def test_what_is_late_is_named_with_what_there_is() -> None:
    with pytest.raises(MachineryFailed, match="not ready within 0 seconds: stage-1-load: 0 of 1 pods are ready"):
        wait(Scripted([deployment(ready=0)]), timeout=0.0)
    with pytest.raises(MachineryFailed, match="stage-1-load: it is not there"):
        wait(Scripted([]), timeout=0.0)
