"""What a target file says is in the overlay, the claim and the courier; the base is what it is everywhere."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import yaml

from j2k_dev.deploy import schema
from j2k_dev.deploy.data import manifests_folder
from j2k_dev.deploy.target import Efs, Kafka, Storage, Target, TargetRegistry, Toleration, read_target
from j2k_dev.deploy.target_tree import claim_of, courier_pod, overlay_of, target_tree
from j2k_dev.deploy.tree import base_layer
from j2k_dev.promote.tree import built_tree
from tests.deploy.made import DIGEST, deployed
from tests.promote.made import kubectl

TARGET = Target(
    context="Prod/eu",
    registry=TargetRegistry("registry.example.org/science"),
    storage=Storage("efs", "20Gi"),
    kafka=Kafka("kafka:9092", "SASL_SSL", "SCRAM-SHA-512", "kafka-login"),
    image_pull_secret="regcred",
    node_selector={"pool": "science"},
    tolerations=(Toleration("dedicated", "Exists"),),
)
PLAIN = Target("prod", TargetRegistry("x"), Storage("efs"), Kafka("kafka:9092"))
IMAGE = f"registry.example.org/science/j2k/weather@{DIGEST}"
ENTRYPOINT = ("/usr/bin/python3", "-E", "/j2k/support/start.py")


def courier(target: Target = TARGET) -> dict[str, Any]:
    return courier_pod(deployed(), target, IMAGE, ENTRYPOINT)


def patched(target: Target, kind: str) -> dict[str, Any]:
    """The values that the overlay sets in all objects of a kind, by path."""
    tree = target_tree(deployed(), target, courier(target), "pv-1")
    overlay = next(text for name, text in tree.items() if name.endswith("kustomization.yaml") and "overlays" in name)
    patches = [each["patch"] for each in yaml.safe_load(overlay)["patches"] if each["target"]["kind"] == kind]
    return {step["path"]: step["value"] for patch in patches for step in yaml.safe_load(patch)}


def test_the_base_is_the_same_as_everywhere() -> None:
    tree = target_tree(deployed(), TARGET, courier())
    assert base_layer(deployed()).items() <= tree.items()
    assert {name.rpartition("/")[0] for name in tree} == {"base", "overlays/prod-eu"}


def test_pods_go_where_the_target_says() -> None:
    placed = patched(TARGET, "Deployment")
    assert placed["/spec/template/spec/nodeSelector"] == {"pool": "science"}
    assert placed["/spec/template/spec/tolerations"] == [{"key": "dedicated", "operator": "Exists"}]
    assert placed["/spec/template/spec/imagePullSecrets"] == [{"name": "regcred"}]
    assert placed["/spec/template/spec/containers/0/envFrom/1"] == {"secretRef": {"name": "kafka-login"}}
    assert patched(PLAIN, "Deployment") == {}


def test_the_claim_is_the_same_first_and_in_the_overlay() -> None:
    fields = patched(TARGET, "PersistentVolumeClaim")
    claim = claim_of(deployed(), TARGET, "pv-1")
    assert fields == {f"/spec/{name}": claim["spec"][name] for name in ("storageClassName", "resources", "volumeName")}
    tree = target_tree(deployed(), TARGET, courier(), "pv-1")
    first = list(yaml.safe_load_all(tree["overlays/prod-eu/first.yaml"]))
    assert claim in first
    assert first[0]["kind"] == "Namespace"


def test_the_courier_is_allowed_by_kubernetes_and_kept_from_the_pipelines_pods() -> None:
    pod = courier()
    schema.check([pod, claim_of(deployed(), TARGET)], "v1.34.0")
    assert "j2k.dev/pipeline" not in pod["metadata"]["labels"], "it is no worker"
    assert pod["spec"]["nodeSelector"] == {"pool": "science"}
    assert pod["spec"]["containers"][0]["image"] == IMAGE
    assert {mount["name"] for mount in pod["spec"]["containers"][0]["volumeMounts"]} == {"exchange", "scratch"}
    serve = json.loads(pod["metadata"]["annotations"]["j2k.dev/serve"])
    assert serve == [*ENTRYPOINT, "j2k_dev.worker.courier", "serve", "/exchange"]


def test_couriers_of_different_environments_are_different_pods() -> None:
    other = courier_pod(deployed(), TARGET, IMAGE.replace("0123", "4567"), ENTRYPOINT)
    assert other["metadata"]["name"] != courier()["metadata"]["name"]


def test_storage_and_certificates_of_the_target_are_in_the_tree_and_kustomize_builds_it() -> None:
    read = manifests_folder() / "example"
    target = dataclasses.replace(read_target("prod", None, read), namespace="")
    tree = target_tree(deployed(), target, courier(target))
    objects = built_tree(kubectl(), tree, overlay_of(target))
    schema.check(objects, "v1.34.0")
    classes = {each["provisioner"]: each["metadata"]["name"] for each in objects if each["kind"] == "StorageClass"}
    assert set(classes) == {"efs.csi.aws.com", "ebs.csi.aws.com"}
    (claim,) = [each for each in objects if each["kind"] == "PersistentVolumeClaim"]
    assert claim["spec"] == claim_of(deployed(), target)["spec"]
    assert claim["spec"]["storageClassName"] == classes["efs.csi.aws.com"]
    fit = next(each for each in objects if each["kind"] == "Deployment" and each["metadata"]["name"] == "stage-2-fit")
    assert fit["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"] == {"memory": "4Gi", "cpu": "2"}
    assert "kafka-ca" in {each["metadata"]["name"] for each in objects if each["kind"] == "ConfigMap"}


def test_what_the_claim_binds_to_and_what_the_courier_mounts_come_first() -> None:
    target = dataclasses.replace(
        PLAIN,
        storage=Storage(efs=Efs("fs-01234567")),
        kafka=Kafka("kafka:9092", "SSL", ca="-----BEGIN CERTIFICATE-----"),
    )
    tree = target_tree(deployed(), target, courier(target))
    first = [each["kind"] for each in yaml.safe_load_all(tree["overlays/prod/first.yaml"])]
    assert first.index("StorageClass") < first.index("PersistentVolumeClaim")
    assert first.count("ConfigMap") == 2
    spec = courier(target)["spec"]
    assert spec["containers"][0]["volumeMounts"][-1] == {
        "name": "kafka-ca", "mountPath": "/etc/j2k/kafka", "readOnly": True
    }  # fmt: skip
    assert spec["volumes"][-1] == {"name": "kafka-ca", "configMap": {"name": "kafka-ca"}}
