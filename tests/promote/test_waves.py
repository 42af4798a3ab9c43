"""What is applied before what, and what of earlier releases goes."""

from __future__ import annotations

from typing import Any

from j2k_dev.promote.waves import left_over, resource_of, waves, workers

Object = dict[str, Any]


def made(kind: str, name: str = "x", version: str = "v1") -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": "j2k-x"}}


def test_namespace_and_policy_come_first_then_storage_then_configuration_then_workers() -> None:
    objects = [
        made("Deployment", "stage-1", "apps/v1"),
        made("ConfigMap"),
        made("PersistentVolumeClaim"),
        made("Service"),
        made("NetworkPolicy"),
        made("StorageClass"),
        made("Namespace"),
    ]
    found = waves(objects)
    assert [(wave.name, [each["kind"] for each in wave.objects]) for wave in found] == [
        ("namespace and policy", ["NetworkPolicy", "Namespace"]),
        ("storage", ["PersistentVolumeClaim", "StorageClass"]),
        ("configuration", ["ConfigMap", "Service"]),
        ("workers", ["Deployment"]),
    ]


def test_a_wave_without_objects_is_left_out() -> None:
    assert [wave.name for wave in waves([made("Secret")])] == ["configuration"]


def test_every_object_is_in_exactly_one_wave() -> None:
    objects = [made(kind) for kind in ("Deployment", "Unheard", "Namespace", "PersistentVolume")]
    assert sorted(each["kind"] for wave in waves(objects) for each in wave.objects) == sorted(
        each["kind"] for each in objects
    )


def test_workers_keep_the_order_of_their_stages() -> None:
    objects = [made("Deployment", "stage-1"), made("Service"), made("Deployment", "stage-2")]
    assert [each["metadata"]["name"] for each in workers(objects)] == ["stage-1", "stage-2"]


def test_what_an_earlier_release_owned_and_this_one_lacks_is_left_over() -> None:
    earlier = [made("Deployment", "stage-1"), made("Deployment", "stage-2"), made("Service", "stage-2")]
    now = [made("Deployment", "stage-1"), made("Service", "stage-1")]
    assert left_over(earlier, now) == (earlier[1], earlier[2])


def test_what_holds_data_or_is_the_clusters_is_never_left_over() -> None:
    kept = [made(kind) for kind in ("PersistentVolumeClaim", "PersistentVolume", "Namespace", "StorageClass")]
    assert left_over(kept, []) == ()


def test_the_same_object_of_another_version_is_the_same() -> None:
    assert left_over([made("Deployment", version="apps/v1beta1")], [made("Deployment", version="apps/v1")]) == ()


def test_resources_are_named_as_kubectl_takes_them() -> None:
    assert resource_of(made("Deployment", "stage-1", "apps/v1")) == "Deployment.v1.apps/stage-1"
    assert resource_of(made("Service", "stage-1")) == "Service.v1./stage-1"
