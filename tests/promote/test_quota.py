"""Quantities, what objects use, and what a quota has no room for."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from j2k_dev.promote.quota import exceeded, quantity, usage, written

if TYPE_CHECKING:
    from j2k_dev.promote.model import Object


def deployment(replicas: int, memory: str = "256Mi", *volumes: Object) -> Object:
    resources = {"requests": {"cpu": "250m", "memory": memory}, "limits": {"cpu": "1", "memory": "1Gi"}}
    pod = {"containers": [{"name": "worker", "resources": resources}], "volumes": list(volumes)}
    return {"kind": "Deployment", "spec": {"replicas": replicas, "template": {"spec": pod}}}


def claim(size: str, class_: str = "ebs") -> Object:
    return {"storageClassName": class_, "resources": {"requests": {"storage": size}}}


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("500m", "0.5"),
        ("2", "2"),
        (3, "3"),
        ("1.5", "1.5"),
        ("1Ki", "1024"),
        ("10Gi", str(10 * 1024**3)),
        ("2G", "2000000000"),
        ("1e3", "1000"),
        ("1E", str(10**18)),
        ("100u", "0.0001"),
    ],
)
def test_quantities_are_read_as_kubernetes_writes_them(text: object, amount: str) -> None:
    assert quantity(text) == Decimal(amount)


@pytest.mark.parametrize("text", ["", "ten", "10 Gi", "10GiB", "--1"])
def test_what_is_no_quantity_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="is no quantity"):
        quantity(text)


def test_a_deployment_uses_what_all_its_pods_use() -> None:
    used = usage([deployment(3)])
    assert used["pods"] == 3
    assert used["requests.cpu"] == Decimal("0.75")
    assert used["requests.memory"] == 3 * 256 * 1024**2
    assert used["limits.cpu"] == 3
    assert used["count/deployments.apps"] == 1


def test_volumes_that_come_with_each_pod_count_for_each_pod() -> None:
    own = {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": claim("10Gi")}}}
    used = usage([deployment(2, "1Gi", own, {"name": "x", "emptyDir": {}})])
    assert used["persistentvolumeclaims"] == 2
    assert used["requests.storage"] == 20 * 1024**3
    assert used["ebs.storageclass.storage.k8s.io/requests.storage"] == 20 * 1024**3


def test_what_only_has_limits_reserves_as_much() -> None:
    pod = {"kind": "Pod", "spec": {"containers": [{"resources": {"limits": {"cpu": "2"}}}]}}
    assert usage([pod])["requests.cpu"] == 2


def test_what_has_no_room_is_named_with_what_it_would_be() -> None:
    hard, used = {"pods": "10", "requests.memory": "1Gi", "memory": "1Gi"}, {"pods": "8", "requests.memory": "768Mi"}
    found = list(exceeded(hard, used, [], [deployment(3, "64Mi")]))
    assert found == [("pods", "10", Decimal(11))]


def test_what_is_replaced_makes_room() -> None:
    hard, used = {"pods": "3"}, {"pods": "3"}
    assert list(exceeded(hard, used, [deployment(3)], [deployment(3)])) == []
    assert list(exceeded(hard, used, [deployment(2)], [deployment(3)])) == [("pods", "3", Decimal(4))]


def test_a_quota_that_others_have_used_up_is_no_matter_where_nothing_more_is_asked_for() -> None:
    assert list(exceeded({"pods": "3"}, {"pods": "7"}, [deployment(3)], [deployment(2)])) == []


def test_cpu_alone_means_what_is_reserved() -> None:
    assert [name for name, _, _ in exceeded({"cpu": "500m"}, {}, [], [deployment(3)])] == ["cpu"]


def test_amounts_are_written_in_the_unit_of_the_limit() -> None:
    assert written(quantity("12Gi"), "10Gi") == "12Gi"
    assert written(quantity("1500m"), "1000m") == "1500m"
    assert written(Decimal(11), 10) == "11"
