"""What a plan asks a cluster, asked of a real one: changes, whose fields they are, rights, and what is lacking.

The user is one with the rights that ``manifests/admin`` grants, by impersonation.
"""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from j2k_dev.deploy import manifests
from j2k_dev.deploy.kubectl import FIELD_MANAGER, Cluster, Kubectl
from j2k_dev.deploy.target import Kafka, Storage, Target, TargetRegistry
from j2k_dev.promote.lacks import lacks_of
from j2k_dev.promote.look import changes_of, cluster_id, moved
from j2k_dev.promote.rights import rights_of
from j2k_dev.sandbox.commands import SystemRunner
from tests.deploy.made import deployed
from tests.promote.made_plan import plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from j2k_dev.promote.model import Change, Object
    from j2k_dev.sandbox.model import SandboxState
    from tests.cluster.handle import Handle

pytestmark = pytest.mark.cluster

ADMIN = Path(__file__).parents[2] / "manifests" / "admin"
SPACE = "j2k-weather"
KUSTOMIZATION = f"""\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [admin/namespace, admin/cluster]
namespace: {SPACE}
patches:
  - target: {{kind: Namespace}}
    patch: |
      - op: add
        path: /metadata/labels/j2k.dev~1pipeline
        value: weather
"""
CLASS: Object = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "look-efs", "labels": {"app.kubernetes.io/managed-by": "j2k", "j2k.dev/pipeline": "weather"}},
    "provisioner": "efs.csi.aws.com",
    "parameters": {"uid": "65532"},
}
BASE = [each for file in manifests.base_objects(deployed(1)).values() for each in file]


@dataclass(frozen=True)
class As(Cluster):
    """A cluster as one of the promoters has it."""

    def arguments(self, *arguments: str) -> list[str]:
        return super().arguments("--as", "ada", "--as-group", "j2k-promoters", *arguments)


@pytest.fixture
def admin(wide: Handle, state: SandboxState) -> Kubectl:
    return Kubectl(Cluster(state.context, wide.sandbox.kubeconfig, str(wide.images.kubectl)), SystemRunner())


@pytest.fixture
def ada(admin: Kubectl, tmp_path: Path) -> Iterator[Kubectl]:
    """Give the cluster as a promoter has it, whom an administrator made a namespace for."""
    shutil.copytree(ADMIN, tmp_path / "admin")
    (tmp_path / "kustomization.yaml").write_text(KUSTOMIZATION)
    admin.call("apply", "--server-side", "--kustomize", str(tmp_path))
    yield Kubectl(As(admin.cluster.context, admin.cluster.kubeconfig, admin.cluster.kubectl), SystemRunner())
    admin.call("delete", "namespace", SPACE, "--wait=true", timeout=120)
    admin.call("delete", "storageclass", "look-efs", "--ignore-not-found")


def apply(kubectl: Kubectl, *objects: Object) -> None:
    told = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    kubectl.call("apply", "--server-side", "--field-manager", FIELD_MANAGER, "--filename", "-", stdin=told)


def by_name(changes: tuple[Change, ...]) -> dict[str, Change]:
    return {f"{each.kind}/{each.name}": each for each in changes}


def actions(changes: tuple[Change, ...]) -> set[str]:
    return {each.action for each in changes}


def test_a_first_promotion_is_rehearsed_with_the_rights_that_an_administrator_grants(ada: Kubectl) -> None:
    changes = changes_of(ada, BASE)
    assert actions(changes) == {"create", "change"}  # the namespace is there, and gets a label
    assert [each.kind for each in changes if each.action == "change"] == ["Namespace"]
    assert not [right for right in rights_of(ada, BASE, SPACE, changes) if not right.allowed]
    assert ada.find(SPACE, "deployment/stage-1-load") == []


def test_what_was_applied_is_the_same_and_what_somebody_edits_is_a_conflict(ada: Kubectl, admin: Kubectl) -> None:
    apply(ada, *BASE)
    before = changes_of(ada, BASE)
    assert actions(before) == {"same"}
    made = replace(plan(), changes=before, objects=tuple(BASE))
    assert moved(ada, made) == ()
    admin.call("scale", "deployment/stage-2-fit", "--replicas=1", "--namespace", SPACE)
    admin.call("set", "env", "deployment/stage-1-load", "KAFKA_BROKER=elsewhere:9092", "--namespace", SPACE)
    found = by_name(changes_of(ada, BASE))
    scaled, told = found["Deployment/stage-2-fit"], found["Deployment/stage-1-load"]
    assert (scaled.action, told.action) == ("conflict", "conflict")
    assert (scaled.fields[0].path, scaled.fields[0].before) == ("spec.replicas", 1)
    (field,) = told.fields
    assert field.path == "spec.template.spec.containers[worker].env[KAFKA_BROKER].value"
    assert (field.before, field.after) == ("elsewhere:9092", "kafka.j2k-system.svc:9092")
    assert field.manager.startswith("kubectl")
    assert moved(ada, made) == ("Deployment stage-1-load was changed", "Deployment stage-2-fit was changed")


def test_the_next_release_changes_refuses_and_deletes_what_it_should(ada: Kubectl) -> None:
    apply(ada, *BASE)
    wanted = copy.deepcopy(BASE)
    by = {f"{each['kind']}/{each['metadata']['name']}": each for each in wanted}
    by["Service/stage-1-load"]["spec"]["ports"][0]["port"] = 81
    by["Deployment/stage-2-fit"]["spec"]["selector"]["matchLabels"]["other"] = "label"
    wanted.remove(by["PodDisruptionBudget/stage-3-plot"])
    wanted.remove(by["PersistentVolumeClaim/exchange"])
    found = by_name(changes_of(ada, wanted, BASE))
    assert [each.path for each in found["Service/stage-1-load"].fields] == ["spec.ports[health].port"]
    assert found["Deployment/stage-2-fit"].action == "refused"
    assert "field is immutable" in found["Deployment/stage-2-fit"].told
    assert found["PodDisruptionBudget/stage-3-plot"].action == "delete"
    assert "PersistentVolumeClaim/exchange" not in found


def test_a_class_is_for_administrators_to_make(ada: Kubectl, admin: Kubectl) -> None:
    objects = [*BASE, CLASS]
    refused = changes_of(ada, objects)
    assert by_name(refused)["StorageClass/look-efs"].action == "refused"
    barred = [right for right in rights_of(ada, objects, SPACE, refused) if not right.allowed]
    assert {right.resource for right in barred} == {"storageclasses"}
    apply(admin, CLASS)
    there = changes_of(ada, objects)
    assert by_name(there)["StorageClass/look-efs"].action == "same"
    assert all(right.allowed for right in rights_of(ada, objects, SPACE, there))


def test_what_is_lacking_is_named_as_far_as_the_user_may_look(ada: Kubectl) -> None:
    kafka = Kafka("kafka:9096", "SASL_SSL", "SCRAM-SHA-512", "kafka-login")
    target = Target("prod", TargetRegistry("r.example.org"), Storage("look-efs"), kafka, image_pull_secret="regcred")
    objects = copy.deepcopy(BASE)
    for each in objects:
        if each["kind"] == "Deployment":
            each["spec"]["replicas"] = 9
            each["spec"]["template"]["spec"]["imagePullSecrets"] = [{"name": "regcred"}]
    told = [lack.what for lack in lacks_of(ada, [*objects, CLASS], target)]
    assert any(line.startswith(f"there is no StorageClass {manifests.STATIC_CLASS}") for line in told)
    assert "there is no Secret regcred in j2k-weather" in told
    assert any(line.startswith("the quota j2k allows pods 16, and it would be 27") for line in told)
    ada.call("create", "configmap", "x", "--namespace", SPACE)  # the user may do what it is granted


def test_nothing_of_a_namespace_that_is_not_there_is_rehearsed(admin: Kubectl) -> None:
    elsewhere = json.loads(json.dumps(BASE).replace(SPACE, "j2k-nowhere"))
    changes = by_name(changes_of(admin, elsewhere))
    assert {each.action for each in changes.values()} == {"create"}
    assert changes["Namespace/j2k-nowhere"].told == ""
    assert "before the namespace is there" in changes["Deployment/stage-1-load"].told


def test_a_cluster_is_known_by_its_address_and_authority(admin: Kubectl, ada: Kubectl) -> None:
    assert cluster_id(admin) == cluster_id(ada)
