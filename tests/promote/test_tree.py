"""The promoted tree: the base byte for byte, what the target file says of it, and what kustomize makes of both."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from j2k_dev.deploy import schema
from j2k_dev.deploy.target import Ebs, Efs, Kafka, Scratch, StageResources, Storage, Target, TargetRegistry
from j2k_dev.deploy.tree import write_tree
from j2k_dev.model.errors import BadInput, J2kError
from j2k_dev.promote.tree import built, built_tree, promoted_tree, read_objects, stage_of
from tests.promote.made import EXAMPLE, base, images, kubectl, prod, tree

if TYPE_CHECKING:
    from pathlib import Path

# Those that README and docs name.
KUBERNETES = ("v1.31.0", "v1.32.0", "v1.33.0", "v1.34.0")
PLAIN = Target("prod", TargetRegistry("registry:5000"), Storage("shared"), Kafka("kafka:9092"))
BUILT = EXAMPLE / "built.yaml"


def example() -> tuple[dict[str, Any], ...]:
    """What kustomize makes of the example, as it is kept beside it."""
    return tuple(yaml.safe_load_all(BUILT.read_text()))


def of_kind(objects: tuple[dict[str, Any], ...], kind: str) -> list[dict[str, Any]]:
    return [each for each in objects if each["kind"] == kind]


def pods(objects: tuple[dict[str, Any], ...]) -> dict[str, dict[str, Any]]:
    return {stage_of(each): each["spec"]["template"]["spec"] for each in of_kind(objects, "Deployment")}


@pytest.mark.parametrize("name", sorted(tree(prod())))
def test_the_example_is_what_the_code_makes(name: str) -> None:
    """Set J2K_GOLDEN=write to write it anew; then read what changed."""
    made = tree(prod())
    if os.environ.get("J2K_GOLDEN") == "write":
        (EXAMPLE / name).parent.mkdir(parents=True, exist_ok=True)
        (EXAMPLE / name).write_text(made[name])
    assert made[name] == (EXAMPLE / name).read_text()


def test_the_example_has_no_file_too_many() -> None:
    folders = [EXAMPLE / "overlays" / name for name in ("prod", "efs", "ebs")]
    there = {str(path.relative_to(EXAMPLE)) for folder in folders for path in folder.iterdir()}
    assert there == {name for name in tree(prod()) if name.startswith("overlays")}


def test_the_base_is_promoted_byte_for_byte() -> None:
    made = tree(prod())
    assert {f"base/{name}": text for name, text in base().items()}.items() <= made.items()


def test_kustomize_makes_of_the_example_what_is_kept_beside_it_without_a_warning() -> None:
    folder = EXAMPLE / "overlays" / "prod"
    done = subprocess.run([kubectl(), "kustomize", folder], capture_output=True, text=True, check=True)
    if os.environ.get("J2K_GOLDEN") == "write":
        BUILT.write_text(done.stdout)
    assert (done.stdout, done.stderr) == (BUILT.read_text(), "")
    assert built(kubectl(), folder) == example()


@pytest.mark.parametrize("kubernetes", KUBERNETES)
def test_every_kubernetes_that_is_named_allows_every_object_of_it(kubernetes: str) -> None:
    schema.check(example(), kubernetes)


def test_everything_is_in_the_targets_namespace() -> None:
    (namespace,) = of_kind(example(), "Namespace")
    assert namespace["metadata"]["name"] == "science-weather"
    inside = [each for each in example() if each["kind"] not in ("Namespace", "StorageClass")]
    assert {each["metadata"]["namespace"] for each in inside} == {"science-weather"}


def test_images_keep_their_digests_and_come_from_the_targets_registry() -> None:
    found = {stage: pod["containers"][0]["image"] for stage, pod in pods(example()).items()}
    assert set(found.values()) == set(images(prod()).values())
    assert found["fit"].startswith("registry.example.org/science/weather@sha256:")
    assert len(set(found.values())) == 3, "one repository, three digests"


def test_an_image_of_another_digest_is_not_promoted() -> None:
    wrong = {source: copy.replace("sha256:0", "sha256:f") for source, copy in images(PLAIN).items()}
    with pytest.raises(J2kError, match="an image is promoted as it is"):
        promoted_tree(base(), PLAIN, wrong)


def test_the_exchange_is_an_access_point_of_the_user_that_the_pods_are() -> None:
    (claim,) = of_kind(example(), "PersistentVolumeClaim")
    (efs,) = [each for each in of_kind(example(), "StorageClass") if each["provisioner"] == "efs.csi.aws.com"]
    assert claim["spec"]["storageClassName"] == efs["metadata"]["name"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "100Gi"
    user = pods(example())["fit"]["securityContext"]["runAsUser"]
    assert (efs["parameters"]["uid"], efs["reclaimPolicy"]) == (str(user), "Retain")


def test_what_pods_have_for_themselves_comes_from_ebs_where_the_pod_is() -> None:
    (ebs,) = [each for each in of_kind(example(), "StorageClass") if each["provisioner"] == "ebs.csi.aws.com"]
    assert ebs["volumeBindingMode"] == "WaitForFirstConsumer"
    for pod in pods(example()).values():
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        spec = volumes["scratch"]["ephemeral"]["volumeClaimTemplate"]["spec"]
        assert (spec["storageClassName"], spec["accessModes"]) == (ebs["metadata"]["name"], ["ReadWriteOnce"])
        assert volumes["exchange"] == {"name": "exchange", "persistentVolumeClaim": {"claimName": "exchange"}}


def test_a_pods_own_folders_are_in_one_volume_and_none_is_its_root() -> None:
    """A node takes few volumes of EBS, and what a file system keeps in its root is no file of the notebook's."""
    for pod in pods(example()).values():
        assert [volume["name"] for volume in pod["volumes"]] == ["exchange", "scratch", "kafka-ca"]
        mounts = [mount for mount in pod["containers"][0]["volumeMounts"] if mount["name"] == "scratch"]
        assert [(mount["mountPath"], mount["subPath"]) for mount in mounts] == [
            ("/home/ada/notebooks", "work"),
            ("/tmp", "scratch"),
        ]


def test_pods_know_the_targets_broker_and_where_its_certificates_and_login_are() -> None:
    (config,) = [each for each in of_kind(example(), "ConfigMap") if each["metadata"]["name"] == "kafka"]
    (ca,) = [each for each in of_kind(example(), "ConfigMap") if each["metadata"]["name"] == "kafka-ca"]
    pod = pods(example())["load"]
    container = pod["containers"][0]
    assert container["env"][0] == {"name": "KAFKA_BROKER", "value": config["data"]["KAFKA_BROKER"]}
    assert "example.org" in config["data"]["KAFKA_BROKER"]
    (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "kafka-ca"]
    (name,) = ca["data"]
    assert config["data"]["KAFKA_CA_FILE"] == f"{mount['mountPath']}/{name}"
    assert ca["data"][name] == (EXAMPLE / "kafka.pem").read_text()
    assert container["envFrom"][1] == {"secretRef": {"name": "kafka-login"}}


def test_another_broker_starts_pods_anew() -> None:
    def hashed(kafka: Kafka) -> str:
        made = tree(dataclasses.replace(PLAIN, kafka=kafka))["overlays/prod/kustomization.yaml"]
        return made[made.index("j2k.dev/kafka") :]

    assert hashed(PLAIN.kafka) == hashed(Kafka("kafka:9092"))
    assert hashed(PLAIN.kafka) != hashed(Kafka("kafka:9092", session_seconds=9))


def test_a_stage_has_the_resources_that_the_target_says_and_the_others_their_own() -> None:
    fit, load = (pods(example())[stage]["containers"][0]["resources"] for stage in ("fit", "load"))
    assert fit["requests"] == fit["limits"] == {"memory": "4Gi", "cpu": "2"}
    assert load["requests"]["memory"] == "320Mi"


def test_resources_of_a_stage_that_there_is_not_are_refused_with_those_there_are() -> None:
    target = dataclasses.replace(PLAIN, resources={"fti": StageResources("1Gi")})
    with pytest.raises(BadInput, match="there is no stage fti") as caught:
        tree(target)
    assert caught.value.way_out == "there are load, fit, plot"


def test_a_target_that_says_little_changes_little() -> None:
    made = tree(PLAIN)
    assert {name for name in made if name.startswith("overlays")} == {"overlays/prod/kustomization.yaml"}
    overlay = yaml.safe_load(made["overlays/prod/kustomization.yaml"])
    assert overlay["namespace"] == "j2k-weather"
    assert "replicas" not in overlay


def test_an_access_point_that_is_there_is_a_volume_for_the_claim_alone() -> None:
    efs = Efs("fs-0123456789abcdef0", access_point="fsap-0123456789abcdef0")
    made = tree(dataclasses.replace(PLAIN, storage=Storage(size="50Gi", efs=efs), namespace="mine"))
    objects = built_tree(kubectl(), made, "overlays/prod")
    (volume,), (claim,) = of_kind(objects, "PersistentVolume"), of_kind(objects, "PersistentVolumeClaim")
    assert volume["spec"]["csi"]["volumeHandle"] == "fs-0123456789abcdef0::fsap-0123456789abcdef0"
    assert claim["spec"]["volumeName"] == volume["metadata"]["name"]
    assert claim["spec"]["storageClassName"] == volume["spec"]["storageClassName"]
    assert volume["spec"]["claimRef"] == {"namespace": "mine", "name": "exchange"}
    for kubernetes in KUBERNETES:
        schema.check(objects, kubernetes)


def test_a_class_that_is_there_needs_no_component() -> None:
    made = tree(dataclasses.replace(PLAIN, scratch=Scratch("fast", "5Gi")))
    assert {name.split("/")[1] for name in made if name.startswith("overlays")} == {"prod"}
    for pod in pods(built_tree(kubectl(), made, "overlays/prod")).values():
        spec = pod["volumes"][1]["ephemeral"]["volumeClaimTemplate"]["spec"]
        assert spec["storageClassName"] == "fast"


def test_other_parameters_are_another_class_since_those_of_a_class_never_change() -> None:
    def name(ebs: Ebs) -> str:
        made = tree(dataclasses.replace(PLAIN, scratch=Scratch(ebs=ebs)))
        return str(yaml.safe_load(made["overlays/ebs/class.yaml"])["metadata"]["name"])

    assert name(Ebs()) == name(Ebs("gp3")) != name(Ebs(iops=4000))


def test_a_context_that_is_called_as_a_component_has_an_overlay_of_its_own() -> None:
    target = dataclasses.replace(PLAIN, context="ebs", scratch=Scratch(ebs=Ebs()))
    assert {"overlays/target-ebs/kustomization.yaml", "overlays/ebs/class.yaml"} <= set(tree(target))


def test_a_base_that_is_made_otherwise_is_not_patched_blindly() -> None:
    made = tree(dataclasses.replace(PLAIN, scratch=Scratch(ebs=Ebs())))
    swapped = made["base/stage-2-fit.yaml"].replace(
        "- name: work\n          emptyDir", "- name: other\n          emptyDir"
    )
    assert swapped != made["base/stage-2-fit.yaml"]
    with pytest.raises(J2kError) as caught:
        built_tree(kubectl(), made | {"base/stage-2-fit.yaml": swapped}, "overlays/prod")
    assert "testing value" in caught.value.detail


def test_deployments_that_are_not_alike_are_refused() -> None:
    odd = base()
    odd["stage-2-fit.yaml"] = odd["stage-2-fit.yaml"].replace("runAsUser: 65532", "runAsUser: 1000")
    with pytest.raises(J2kError, match="not alike"):
        promoted_tree(odd, PLAIN, images(PLAIN))


def test_the_objects_of_the_base_are_read_from_its_texts() -> None:
    kinds = [each["kind"] for each in read_objects(base())]
    assert kinds.count("Deployment") == 3
    assert "Kustomization" not in kinds


def test_what_is_written_is_what_kustomize_builds(tmp_path: Path) -> None:
    write_tree(tmp_path, tree(prod()))
    assert built(kubectl(), tmp_path / "overlays" / "prod") == example()
