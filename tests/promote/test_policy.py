"""The rules of promotion: the example keeps all of them, and each finds the one thing that it is there for."""

from __future__ import annotations

import copy
import functools
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from j2k_dev.model.errors import BadInput
from j2k_dev.promote.policy import RULES, check, explain, table
from tests.promote.made import EXAMPLE, prod

if TYPE_CHECKING:
    from collections.abc import Callable

Objects = list[dict[str, Any]]


@functools.cache
def _example() -> tuple[dict[str, Any], ...]:
    return tuple(yaml.safe_load_all((EXAMPLE / "built.yaml").read_text()))


def example() -> Objects:
    """The example's objects, to be changed by whoever asks."""
    return copy.deepcopy(list(_example()))


def one(objects: Objects, kind: str, name: str = "") -> dict[str, Any]:
    return next(each for each in objects if each["kind"] == kind and each["metadata"]["name"].startswith(name))


def fit(objects: Objects) -> dict[str, Any]:
    found: dict[str, Any] = one(objects, "Deployment", "stage-2")["spec"]["template"]["spec"]
    return found


def worker(objects: Objects) -> dict[str, Any]:
    found: dict[str, Any] = fit(objects)["containers"][0]
    return found


def found(objects: Objects) -> dict[str, str]:
    """The rules that are broken, each with where and what is told first."""
    return {finding.rule: f"{finding.where}: {finding.told}" for finding in reversed(check(objects, prod()))}


def test_the_example_keeps_every_rule() -> None:
    assert found(example()) == {}


def _one_node(objects: Objects) -> None:
    one(objects, "PersistentVolumeClaim")["spec"]["accessModes"] = ["ReadWriteOnce"]


def _host_path(objects: Objects) -> None:
    fit(objects)["volumes"].append({"name": "data", "hostPath": {"path": "/data"}})


def _local_volume(objects: Objects) -> None:
    volume = {"kind": "PersistentVolume", "metadata": {"name": "disk"}, "spec": {"local": {"path": "/disk"}}}
    objects.append(volume)


def _tag(objects: Objects) -> None:
    worker(objects)["image"] = "registry.example.org/science/weather:latest"


def _foreign(objects: Objects) -> None:
    worker(objects)["image"] = worker(objects)["image"].replace("registry.example.org/science", "localhost:5001/j2k")


def _loopback(objects: Objects) -> None:
    worker(objects)["env"][0]["value"] = "kafka.example.org:9092,localhost:9092"


def _loopback_in_config(objects: Objects) -> None:
    one(objects, "ConfigMap", "kafka")["data"]["KAFKA_BROKER"] = "127.0.0.1:9092"


def _secret(objects: Objects) -> None:
    objects.append({"kind": "Secret", "metadata": {"name": "login"}, "data": {"password": "aHVudGVyMg=="}})


def _secret_variable(objects: Objects) -> None:
    worker(objects)["env"].append({"name": "DATABASE_PASSWORD", "value": "hunter2"})


def _secret_in_config(objects: Objects) -> None:
    one(objects, "ConfigMap", "kafka")["data"]["KAFKA_SASL_PASSWORD"] = "hunter2"


def _secret_in_address(objects: Objects) -> None:
    worker(objects)["env"].append({"name": "DATABASE", "value": "postgres://ada:hunter2@db.example.org/x"})


def _no_limit(objects: Objects) -> None:
    del worker(objects)["resources"]["limits"]["memory"]


def _no_probe(objects: Objects) -> None:
    del worker(objects)["readinessProbe"]


def _in_a_zone(objects: Objects) -> None:
    claim = one(objects, "PersistentVolumeClaim")["spec"]
    claim["storageClassName"] = one(objects, "StorageClass", "science-weather-ebs")["metadata"]["name"]


def _volume_in_a_zone(objects: Objects) -> None:
    terms = [{"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["a"]}]}]
    affinity = {"required": {"nodeSelectorTerms": terms}}
    objects.append({"kind": "PersistentVolume", "metadata": {"name": "pv"}, "spec": {"nodeAffinity": affinity}})
    one(objects, "PersistentVolumeClaim")["spec"]["volumeName"] = "pv"


def _too_early(objects: Objects) -> None:
    del one(objects, "StorageClass", "science-weather-ebs")["volumeBindingMode"]


def _other_user(objects: Objects) -> None:
    one(objects, "StorageClass", "science-weather-efs")["parameters"]["uid"] = "1000"


def _root(objects: Objects) -> None:
    worker(objects)["securityContext"]["runAsUser"] = 0


def _writable(objects: Objects) -> None:
    del worker(objects)["securityContext"]["readOnlyRootFilesystem"]


def _host_network(objects: Objects) -> None:
    fit(objects)["hostNetwork"] = True


@pytest.mark.parametrize(
    ("plant", "rule", "told"),
    [
        (_one_node, "claim-of-one-node", "PersistentVolumeClaim/exchange: ReadWriteOnce, for 6 pods"),
        (_host_path, "host-path", "Deployment/stage-2-fit: the volume data is /data of a node"),
        (_local_volume, "host-path", "PersistentVolume/disk: it is /disk of a node"),
        (_tag, "image-by-tag", "the image of worker is registry.example.org/science/weather:latest"),
        (_foreign, "foreign-image", "not in registry.example.org/science"),
        (_loopback, "loopback-broker", "KAFKA_BROKER is kafka.example.org:9092,localhost:9092"),
        (_loopback_in_config, "loopback-broker", "ConfigMap/kafka: KAFKA_BROKER is 127.0.0.1:9092"),
        (_secret, "clear-secret", "Secret/login: it holds password"),
        (_secret_variable, "clear-secret", "Deployment/stage-2-fit: DATABASE_PASSWORD is written out"),
        (_secret_in_config, "clear-secret", "ConfigMap/kafka: KAFKA_SASL_PASSWORD is written out"),
        (_secret_in_address, "clear-secret", "DATABASE is written out"),
        (_no_limit, "no-limits", "worker has no limits.memory"),
        (_no_probe, "no-probes", "worker has no readinessProbe"),
        (_in_a_zone, "zone-pinned", "volumes of ebs.csi.aws.com are in one zone, and 6 pods are spread"),
        (_volume_in_a_zone, "zone-pinned", "its volume pv is in one zone"),
        (_too_early, "zone-too-early", "volumeBindingMode is Immediate"),
        (
            _other_user,
            "access-point-user",
            "uid and gid are 1000, 65532; those of Deployment/stage-1-load 65532, 65532",
        ),
        (_root, "not-restricted", "worker: runAsUser is root"),
        (_writable, "not-restricted", "worker: readOnlyRootFilesystem is not set"),
        (_host_network, "not-restricted", "hostNetwork is set"),
    ],
)
def test_what_breaks_a_rule_is_found_by_it_and_by_no_other(
    plant: Callable[[Objects], None], rule: str, told: str
) -> None:
    objects = example()
    plant(objects)
    broken = found(objects)
    assert set(broken) == {rule}
    assert told in broken[rule]
    assert "hunter2" not in str(broken)


def test_a_claim_of_one_node_with_one_pod_is_fine() -> None:
    objects = [each for each in example() if each["kind"] != "Deployment" or each["metadata"]["name"] == "stage-2-fit"]
    _one_node(objects)
    one(objects, "Deployment")["spec"]["replicas"] = 1
    assert found(objects) == {}


def test_every_rule_is_tried_above() -> None:
    (mark,) = test_what_breaks_a_rule_is_found_by_it_and_by_no_other.pytestmark  # type: ignore[attr-defined]
    assert {rule for _, rule, _ in mark.args[1]} == {rule.id for rule in RULES}


def test_a_rule_is_explained_with_how_to_mend_it() -> None:
    told = explain("host-path")
    assert told.startswith("host-path: A folder of a node")
    assert told.endswith("Claim a volume of a storage class of the cluster.")


def test_a_rule_that_there_is_not_is_told_with_those_there_are() -> None:
    with pytest.raises(BadInput, match="there is no rule hostpath") as caught:
        explain("hostpath")
    assert "host-path" in caught.value.way_out


def test_the_table_has_every_rule() -> None:
    assert all(f"| `{rule.id}` | {rule.why} | {rule.mend} |" in table() for rule in RULES)
