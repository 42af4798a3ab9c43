"""The manifests of a pipeline: whole, as they are written, and by Kubernetes' own rules."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from j2k_dev.deploy import manifests, schema
from j2k_dev.deploy.data import manifests_folder
from j2k_dev.deploy.tree import BASE, LOCAL, local_tree, released, write_tree
from j2k_dev.model.errors import J2kError
from tests.deploy.made import IMAGES, deployed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What readers find in the repository, and in the wheel.
GOLDEN = manifests_folder() / "example"
KUBERNETES = "v1.34.4"


def tree() -> dict[str, str]:
    return local_tree(deployed(replicas=1), "/exchange", ["j2k-control-plane"])


def objects() -> Iterator[dict[str, Any]]:
    for name, text in tree().items():
        if not name.endswith("kustomization.yaml"):
            yield from yaml.safe_load_all(text)


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [each for each in objects() if each["kind"] == kind]


@pytest.mark.parametrize("name", sorted(tree()))
def test_a_manifest_is_what_the_golden_file_says(name: str) -> None:
    """Set J2K_GOLDEN=write to write them anew; then read what changed."""
    golden = GOLDEN / name
    if os.environ.get("J2K_GOLDEN") == "write":
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(tree()[name])
    assert tree()[name] == golden.read_text()


def test_there_is_no_golden_file_too_many() -> None:
    folders = (GOLDEN / "base", GOLDEN / "overlays" / "local")
    assert {str(path.relative_to(GOLDEN)) for folder in folders for path in folder.rglob("*")} == set(tree())


def test_kubernetes_own_schemas_allow_every_object() -> None:
    schema.check(objects(), KUBERNETES)


def test_a_field_that_kubernetes_does_not_know_is_found_with_its_place() -> None:
    service = of_kind("Service")[0]
    service["spec"]["prots"] = []
    with pytest.raises(J2kError) as caught:
        schema.check([service], KUBERNETES)
    assert "Service stage-1-load: spec" in caught.value.detail
    assert "prots" in caught.value.detail


def test_a_cluster_newer_than_the_schemas_is_checked_against_the_newest_ones() -> None:
    schema.check(objects(), "v9.99.0")


def test_every_pod_is_what_pod_security_restricted_asks_for() -> None:
    for each in of_kind("Deployment"):
        pod = each["spec"]["template"]["spec"]
        container = pod["containers"][0]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["runAsUser"] != 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not pod["automountServiceAccountToken"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_every_deployment_has_what_the_method_asks_for() -> None:
    deployments = of_kind("Deployment")
    assert len(deployments) == 3
    for each in deployments:
        spec = each["spec"]
        container = spec["template"]["spec"]["containers"][0]
        assert spec["replicas"] == 3
        assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 1, "maxSurge": 1}
        assert container["image"] in IMAGES.values()
        assert {"KAFKA_BROKER", "INPUT_TOPIC", "OUTPUT_TOPIC"} <= {variable["name"] for variable in container["env"]}
        assert set(container["resources"]) == {"requests", "limits"}
        assert container["readinessProbe"]["httpGet"] == {"path": "/readiness", "port": "health"}
        assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "health"}


def test_the_volume_is_bound_to_its_nodes_and_to_its_claim() -> None:
    volume, claim = of_kind("PersistentVolume")[0], of_kind("PersistentVolumeClaim")[0]
    terms = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert terms[0]["matchExpressions"][0]["values"] == ["j2k-control-plane"]
    assert volume["spec"]["claimRef"] == {
        "namespace": claim["metadata"]["namespace"],
        "name": claim["metadata"]["name"],
    }
    assert volume["spec"]["accessModes"] == claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain"


def test_everything_carries_the_labels_by_which_it_is_found_again() -> None:
    for each in objects():
        labels = each["metadata"]["labels"]
        assert labels["app.kubernetes.io/managed-by"] == "j2k"
        assert labels["j2k.dev/pipeline"] == "weather"


def test_a_release_is_on_everything_but_the_pods_which_would_start_anew() -> None:
    released_ = released(deployed(), "/exchange", ["a"])
    made = [each for file in manifests.base_objects(released_).values() for each in file]
    releases = {each["metadata"]["labels"][manifests.RELEASE] for each in made}
    assert releases == {released_.labels[manifests.RELEASE]}
    templates = [each["spec"]["template"] for each in made if each["kind"] == "Deployment"]
    assert all(manifests.RELEASE not in template["metadata"]["labels"] for template in templates)


def test_the_same_manifests_are_the_same_release() -> None:
    one, again, other = (released(deployed(replicas), "/exchange", ["a"]) for replicas in (1, 1, 2))
    assert one.labels == again.labels != other.labels


def test_the_overlay_stands_on_the_base_and_lists_its_own_files() -> None:
    overlay = yaml.safe_load(tree()[f"{LOCAL}/kustomization.yaml"])
    base = yaml.safe_load(tree()[f"{BASE}/kustomization.yaml"])
    assert overlay["resources"] == ["../../base", "volume.yaml"]
    assert overlay["replicas"][0] == {"name": "stage-1-load", "count": 1}
    assert {f"{BASE}/{name}" for name in base["resources"]} == {
        name for name in tree() if name.startswith(BASE) and not name.endswith("kustomization.yaml")
    }


def test_a_written_tree_keeps_nothing_of_an_earlier_one(tmp_path: Path) -> None:
    write_tree(tmp_path, tree() | {f"{BASE}/stage-9-old.yaml": "{}\n"})
    write_tree(tmp_path, tree())
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.yaml")} == set(tree())
