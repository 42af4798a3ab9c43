"""Going back, and taking away what a release lacks; the cluster is a fake that keeps objects and what was asked."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from j2k_dev.actions.promotion import apply as promote_apply
from j2k_dev.actions.promotion.apply import go_back, prune
from j2k_dev.actions.promotion.context import Destination, PromoteOptions, Promotion
from j2k_dev.deploy.kubectl import Cluster, Kubectl
from j2k_dev.deploy.target import Kafka, Storage, Target, TargetRegistry
from j2k_dev.engine.workspace import Workspace
from j2k_dev.packaging.registry import Registry
from j2k_dev.promote.waves import resource_of
from j2k_dev.sandbox.commands import SystemRunner
from tests.promote.made_plan import release

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

Object = dict[str, Any]
NAMESPACE = "j2k-weather"
OURS = {"app.kubernetes.io/managed-by": "j2k", "j2k.dev/pipeline": "weather"}


def made(kind: str, name: str, labels: dict[str, str] | None = None) -> Object:
    version = "apps/v1" if kind == "Deployment" else "v1"
    metadata = {"name": name, "namespace": NAMESPACE, "labels": OURS if labels is None else labels}
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


class Objects(Kubectl):
    """Keeps objects by their names."""

    def __init__(self, *there: Object) -> None:
        super().__init__(Cluster("prod"), SystemRunner())
        self.there = {resource_of(each): each for each in there}

    def call(self, *arguments: str, stdin: str | None = None, timeout: float = 60.0) -> str:
        del timeout
        if arguments[0] == "apply":
            self.there |= {resource_of(each): each for each in json.loads(stdin or "")["items"]}
        elif arguments[0] == "delete":
            for name in arguments[1 : arguments.index("--namespace")]:
                self.there.pop(name, None)
        else:
            raise AssertionError(arguments)
        return ""

    def find(self, namespace: str, *names: str) -> list[Object]:
        assert namespace == NAMESPACE
        return [self.there[name] for name in names if name in self.there]


class Quiet:
    """Keeps notes; steps are shown to nobody."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    @contextmanager
    def step(self, _title: str) -> Iterator[None]:
        yield


def promotion(folder: Path, cluster: Objects, **more: Any) -> Promotion:
    target = Target("prod", TargetRegistry("registry.example.org"), Storage("efs"), Kafka("kafka:9092"))
    to = Destination(target, cluster, Registry("registry.example.org"), "weather", NAMESPACE)
    asked = PromoteOptions(folder / "weather.ipynb", "prod")
    return Promotion(asked, Quiet(), Workspace(folder), to, "ada", **more)  # type: ignore[arg-type]  # no whole Ui


FIRST = (made("PersistentVolumeClaim", "exchange"), made("ConfigMap", "kafka"), made("Deployment", "stage-1"))


def test_a_first_release_that_failed_leaves_no_workers_and_all_data(tmp_path: Path) -> None:
    cluster = Objects(*FIRST)
    told = go_back(promotion(tmp_path, cluster, release=release(1, state="applying", objects=FIRST)))
    assert set(cluster.there) == {"PersistentVolumeClaim.v1./exchange", "ConfigMap.v1./kafka"}
    assert "data volumes stay" in told


def test_the_release_before_is_applied_again_and_what_only_the_failed_one_had_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[int] = []
    monkeypatch.setattr(promote_apply, "wait_for_workers", lambda _promotion, release: waited.append(release.number))
    second = (*FIRST, made("Deployment", "stage-2"), made("Service", "stage-2"))
    cluster = Objects(FIRST[0], *second[3:])
    before = release(1, objects=FIRST)
    failed = release(2, state="testing", objects=second)
    told = go_back(promotion(tmp_path, cluster, release=failed, releases=(before, failed)))
    assert set(cluster.there) == {resource_of(each) for each in FIRST}
    assert waited == [1]
    assert told == "release 1 is in use again"


def test_what_is_somebody_elses_is_never_taken_away(tmp_path: Path) -> None:
    theirs, others = made("Service", "stage-2", {}), made("Service", "stage-3", {**OURS, "j2k.dev/pipeline": "other"})
    cluster = Objects(theirs, others, made("Service", "stage-4"))
    prune(promotion(tmp_path, cluster), [made("Service", f"stage-{number}") for number in (2, 3, 4, 5)])
    assert set(cluster.there) == {"Service.v1./stage-2", "Service.v1./stage-3"}


def test_where_nothing_is_left_over_nothing_is_asked(tmp_path: Path) -> None:
    prune(promotion(tmp_path, Objects()), [])
