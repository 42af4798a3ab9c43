"""What a cluster lacks, found on one that is answered for here."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from j2k_dev.deploy.kubectl import Cluster, Kubectl
from j2k_dev.deploy.target import Kafka, Storage, Target, TargetRegistry
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.promote.lacks import lacks_of

if TYPE_CHECKING:
    from j2k_dev.promote.model import Lack, Object
    from j2k_dev.sandbox.commands import Command

SPACE = "j2k-weather"
LABELS = {"app.kubernetes.io/managed-by": "j2k", "j2k.dev/pipeline": "weather"}
TARGET = Target(
    "prod",
    TargetRegistry("registry.example.org"),
    Storage("efs"),
    Kafka("kafka:9096", "SASL_SSL", "SCRAM-SHA-512", "kafka-login"),
    image_pull_secret="regcred",
)


def made(kind: str, name: str, **more: object) -> Object:
    metadata = {"name": name, "namespace": SPACE, "labels": LABELS}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **more}


def deployment(replicas: int = 2, **pod: object) -> Object:
    container = {
        "name": "worker",
        "envFrom": [
            {"configMapRef": {"name": "kafka"}},
            {"secretRef": {"name": "kafka-login"}},
            {"secretRef": {"name": "perhaps", "optional": True}},
        ],
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
    }
    spec = {"containers": [container], "imagePullSecrets": [{"name": "regcred"}], **pod}
    return made("Deployment", "stage-1-load", spec={"replicas": replicas, "template": {"spec": spec}})


def claim(class_: str = "efs") -> Object:
    resources = {"requests": {"storage": "10Gi"}}
    return made("PersistentVolumeClaim", "exchange", spec={"storageClassName": class_, "resources": resources})


def class_(name: str, provisioner: str) -> Object:
    return {"kind": "StorageClass", "metadata": {"name": name}, "provisioner": provisioner}


def secret(name: str, *keys: str) -> Object:
    return made("Secret", name, data=dict.fromkeys(keys, "eA=="))


@dataclass
class There:
    """A runner that answers ``get`` with what there is, and says no to kinds that may not be looked at."""

    objects: list[Object]
    forbidden: tuple[str, ...] = ()
    calls: int = 0

    def run(self, command: Command, way_out: str = "") -> str:
        self.calls += 1
        if command.stdin is not None:
            wanted = {(each["kind"], each["metadata"]["name"]) for each in json.loads(command.stdin)["items"]}
            kinds = {plural(kind) for kind, _ in wanted}
            found = [each for each in self.objects if of(each) in wanted]
        else:
            words = [str(word) for word in command.arguments]
            kinds = set(words[words.index("get") + 1].split(","))
            found = [each for each in self.objects if plural(each["kind"]) in kinds]
        if refused := kinds & set(self.forbidden):
            raise MachineryFailed(
                "kubectl ended with 1", detail=f"Error from server (Forbidden): {refused} is not yours"
            )
        return json.dumps({"kind": "List", "items": found})


def of(each: Object) -> tuple[str, str]:
    return each["kind"], name(each)


def name(each: Object) -> str:
    return str(each["metadata"]["name"])


def plural(kind: str) -> str:
    return {"StorageClass": "storageclasses"}.get(kind, f"{kind.lower()}s")


NAMESPACE = {"kind": "Namespace", "metadata": {"name": SPACE, "labels": LABELS}}
COMPLETE = (
    NAMESPACE,
    class_("efs", "efs.csi.aws.com"),
    {"kind": "CSIDriver", "metadata": {"name": "efs.csi.aws.com"}},
    secret("regcred", ".dockerconfigjson"),
    secret("kafka-login", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"),
)


def lacks(
    *there: Object, objects: tuple[Object, ...] = (), target: Target = TARGET, forbidden: tuple[str, ...] = ()
) -> tuple[Lack, ...]:
    calls = Kubectl(Cluster("prod"), There(list(there), forbidden))
    return lacks_of(calls, objects or (claim(), deployment()), target)


def without(what: str) -> list[Object]:
    return [each for each in COMPLETE if name(each) != what]


def test_a_cluster_that_has_everything_lacks_nothing() -> None:
    assert lacks(*COMPLETE) == ()


def test_a_class_that_is_not_there_is_named_with_those_that_are() -> None:
    (lack,) = lacks(*without("efs"), class_("gp2", "kubernetes.io/aws-ebs"))
    assert lack.what == "there is no StorageClass efs (there are: gp2)"


def test_a_class_that_comes_with_the_promotion_is_not_lacking_but_its_driver_may_be() -> None:
    mine = class_("j2k-efs", "efs.csi.aws.com")
    objects = (claim("j2k-efs"), mine, deployment())
    assert lacks(*without("efs"), objects=objects) == ()
    (lack,) = lacks(*without("efs.csi.aws.com"), objects=objects)
    assert lack.what == "the CSI driver efs.csi.aws.com is not installed"
    assert "aws-efs-csi-driver" in lack.way_out


def test_provisioners_that_are_no_csi_driver_are_not_looked_for() -> None:
    assert lacks(*without("efs"), class_("efs", "example.org/nfs")) == ()


def test_the_class_of_volumes_that_come_with_pods_is_looked_for_too() -> None:
    template = {"spec": {"storageClassName": "ebs", "resources": {"requests": {"storage": "1Gi"}}}}
    pods = deployment(volumes=[{"name": "scratch", "ephemeral": {"volumeClaimTemplate": template}}])
    (lack,) = lacks(*COMPLETE, objects=(claim(), pods))
    assert lack.what.startswith("there is no StorageClass ebs")


def test_a_claim_on_a_volume_that_is_named_needs_no_class() -> None:
    bound = claim("nowhere")
    bound["spec"]["volumeName"] = "pv-1"
    assert lacks(*COMPLETE, objects=(bound, deployment())) == ()


@pytest.mark.parametrize(("name", "kind"), [("regcred", "docker-registry"), ("kafka-login", "generic")])
def test_a_secret_that_is_not_there_is_named_with_how_to_make_it(name: str, kind: str) -> None:
    (lack,) = lacks(*without(name))
    assert lack.what == f"there is no Secret {name} in {SPACE}"
    assert f"kubectl --context prod --namespace {SPACE} create secret {kind} {name}" in lack.way_out


def test_a_login_without_its_keys_is_told() -> None:
    (lack,) = lacks(*without("kafka-login"), secret("kafka-login", "username", "KAFKA_SASL_PASSWORD"))
    assert lack.what == f"the Secret kafka-login in {SPACE} has no KAFKA_SASL_USERNAME"


def test_the_login_of_a_role_needs_no_password() -> None:
    target = replace(TARGET, kafka=replace(TARGET.kafka, mechanism="AWS_MSK_IAM"))
    assert lacks(*without("kafka-login"), secret("kafka-login"), target=target) == ()


def test_what_is_optional_is_not_lacking() -> None:
    assert not any("perhaps" in lack.what for lack in lacks(*COMPLETE))


def test_a_namespace_that_is_not_j2ks_is_told_with_how_to_make_it_so() -> None:
    theirs = {"kind": "Namespace", "metadata": {"name": SPACE, "labels": {}}}
    (lack,) = lacks(theirs, *COMPLETE[1:])
    assert "is not labelled as j2k's" in lack.what
    assert "label namespace j2k-weather app.kubernetes.io/managed-by=j2k j2k.dev/pipeline=weather" in lack.way_out


def test_the_namespace_of_another_pipeline_is_told() -> None:
    theirs = {"kind": "Namespace", "metadata": {"name": SPACE, "labels": {**LABELS, "j2k.dev/pipeline": "climate"}}}
    (lack,) = lacks(theirs, *COMPLETE[1:])
    assert lack.what == "the namespace j2k-weather is the pipeline climate's"


def test_a_namespace_that_is_going_is_told() -> None:
    (lack,) = lacks({**NAMESPACE, "status": {"phase": "Terminating"}}, *COMPLETE[1:])
    assert "is being deleted" in lack.what


def test_a_namespace_that_is_not_there_is_made() -> None:
    assert lacks(*COMPLETE[1:]) == ()


def test_a_quota_without_room_is_told_with_what_it_would_take() -> None:
    status = {"hard": {"requests.memory": "1Gi", "pods": "9"}, "used": {}}
    quota = made("ResourceQuota", "science", spec={}, status=status)
    (lack,) = lacks(*COMPLETE, quota)
    assert lack.what == "the quota science allows requests.memory 1Gi, and it would be 2Gi"


def test_pods_that_are_replaced_make_room_in_the_quota() -> None:
    used = {"requests.memory": "2Gi"}
    quota = made("ResourceQuota", "science", spec={}, status={"hard": {"requests.memory": "2Gi"}, "used": used})
    assert len(lacks(*COMPLETE, quota)) == 1
    assert lacks(*COMPLETE, quota, deployment()) == ()


def test_what_may_not_be_looked_at_is_taken_to_be_there() -> None:
    forbidden = ("secrets", "storageclasses", "csidrivers", "resourcequotas", "namespaces")
    assert lacks(forbidden=forbidden) == ()


def test_a_cluster_is_asked_twice() -> None:
    there = There(list(COMPLETE))
    lacks_of(Kubectl(Cluster("prod"), there), (claim(), deployment()), TARGET)
    assert there.calls == 2


def test_several_lacks_are_told_at_once() -> None:
    assert len(lacks(NAMESPACE)) == 3
