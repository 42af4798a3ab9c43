"""What is done to a cluster to bring a pipeline there: in which order, and what is left alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from j2k_dev.deploy.deployer import DynamicPodDeployer, remove
from j2k_dev.deploy.manifests import RELEASE
from j2k_dev.deploy.tree import LOCAL, local_tree, released, write_tree
from j2k_dev.model.errors import MachineryFailed, Refused
from tests.deploy.answering import kubectl
from tests.deploy.made import deployed

DEPLOYED = released(deployed(), "/exchange", ["a"])
OURS = {"app.kubernetes.io/managed-by": "j2k"}


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    write_tree(tmp_path, local_tree(DEPLOYED, "/exchange", ["a"]))
    return tmp_path / LOCAL


def there(labels: dict[str, str], release: str) -> str:
    """What is found: the namespace, and the last stage's Deployment."""
    namespace: dict[str, Any] = {"kind": "Namespace", "metadata": {"labels": labels}}
    return json.dumps({"items": [namespace, {"kind": "Deployment", "metadata": {"labels": {RELEASE: release}}}]})


def test_a_first_release_is_rehearsed_in_its_namespace_before_anything_else_is_applied(overlay: Path) -> None:
    calls, runner = kubectl("", "", "", "", "", "")
    DynamicPodDeployer(calls, DEPLOYED).deploy(overlay)
    _found, namespace, bound, rehearsal, applied, older = runner.lines
    assert namespace.startswith("apply --filename")
    assert [Path(word).name for word in namespace.split() if word.endswith(".yaml")] == [
        "namespace.yaml", "volume.yaml", "exchange.yaml",
    ]  # fmt: skip
    assert bound.startswith("wait persistentvolumeclaim/exchange")
    assert rehearsal.startswith(f"apply --kustomize {overlay}")
    assert "--dry-run=server" in rehearsal
    assert applied == rehearsal.removesuffix(" --dry-run=server")
    assert f"'j2k.dev/pipeline=weather,{RELEASE}!={DEPLOYED.labels[RELEASE]}'" in older


def test_a_release_that_is_there_needs_no_rehearsal(overlay: Path) -> None:
    calls, runner = kubectl(there(OURS, DEPLOYED.labels[RELEASE]), "", "")
    DynamicPodDeployer(calls, DEPLOYED).deploy(overlay)
    assert [line.split()[0] for line in runner.lines] == ["get", "apply", "delete"]


def test_a_rehearsal_that_fails_ends_it(overlay: Path) -> None:
    conflict = 'conflict with "hpa" using apps/v1: .spec.replicas'
    calls, runner = kubectl(there(OURS, "earlier"), MachineryFailed("kubectl ended with 1", detail=conflict))
    with pytest.raises(Refused, match="by hpa"):
        DynamicPodDeployer(calls, DEPLOYED).deploy(overlay)
    assert len(runner.lines) == 2


def test_a_namespace_of_somebody_else_is_left_alone(overlay: Path) -> None:
    calls, runner = kubectl(there({}, ""))
    with pytest.raises(Refused, match="j2k-weather is not j2k's"):
        DynamicPodDeployer(calls, DEPLOYED).deploy(overlay)
    assert len(runner.lines) == 1


def test_only_what_carries_the_pipelines_labels_is_removed() -> None:
    calls, runner = kubectl("", "")
    remove(calls, "weather", "tides")
    namespaces, volumes = runner.lines
    chosen = "--selector 'app.kubernetes.io/managed-by=j2k,j2k.dev/pipeline in (weather,tides)'"
    assert namespaces.startswith(f"delete namespaces {chosen}")
    assert volumes.startswith(f"delete persistentvolumes {chosen}")
