"""What a target file says is in the overlay, the claim and the courier; the base is what it is everywhere."""

from __future__ import annotations

import json
from typing import Any

import yaml

from j2k_dev.deploy import schema
from j2k_dev.deploy.target import Kafka, Storage, Target, TargetRegistry, Toleration
from j2k_dev.deploy.target_tree import claim_of, courier_pod, target_tree
from j2k_dev.deploy.tree import base_layer
from tests.deploy.made import DIGEST, deployed

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
