"""Which rights are asked for, and what the cluster's answers mean."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.promote.model import Change
from j2k_dev.promote.rights import rights_of
from tests.deploy.answering import Answering, kubectl
from tests.promote.test_look import CLAIM, CLASS, CONFIG, FIT, NAMESPACE

if TYPE_CHECKING:
    from j2k_dev.promote.model import Object, Right
    from j2k_dev.sandbox.commands import Command

POLICY = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
          "metadata": {"name": "health-only", "namespace": "j2k-weather"}}  # fmt: skip
OBJECTS = [NAMESPACE, CLASS, CONFIG, FIT, CLAIM, POLICY]


class Allowing(Answering):
    """A cluster that allows everything but what contains one of the words."""

    def __init__(self, *denied: str) -> None:
        super().__init__([])
        self.denied = denied

    def run(self, command: Command, way_out: str = "") -> str:
        reviews = json.loads(command.stdin or b"")["items"]
        self.commands.append(command)
        return "\n".join(json.dumps({**each, "status": {"allowed": self.allows(each)}}) for each in reviews)

    def allows(self, review: Object) -> bool:
        return not any(word in json.dumps(review["spec"]) for word in self.denied)


def asked(*denied: str, changes: tuple[Change, ...] = ()) -> tuple[Right, ...]:
    calls, _ = kubectl()
    calls._runner = Allowing(*denied)
    return rights_of(calls, OBJECTS, "j2k-weather", changes)


def named(rights: tuple[Right, ...]) -> set[str]:
    return {f"{right.verb} {right.resource}.{right.group}".rstrip(".") for right in rights}


def test_what_is_made_has_to_be_readable_and_makeable_and_is_asked_for_in_its_namespace() -> None:
    found = asked()
    assert {f"{verb} deployments.apps" for verb in ("get", "create", "patch", "delete")} <= named(found)
    assert {right.namespace for right in found if right.resource == "deployments"} == {"j2k-weather"}
    assert "patch networkpolicies.networking.k8s.io" in named(found)


def test_the_courier_and_the_records_need_rights_too() -> None:
    assert {"create pods/exec", "get pods/log", "create pods", "watch pods", "create configmaps"} <= named(asked())


def test_claims_are_never_deleted_and_so_no_right_for_it_is_asked_for() -> None:
    assert "delete persistentvolumeclaims" not in named(asked())
    assert not any(right.verb == "delete" and right.resource == "namespaces" for right in asked())


def test_what_belongs_to_the_cluster_is_asked_for_by_name_and_only_where_it_changes() -> None:
    same = (Change("StorageClass", "efs", "", "same"), Change("Namespace", "j2k-weather", "", "change"))
    found = [right for right in asked(changes=same) if right.resource in ("storageclasses", "namespaces")]
    assert {(right.verb, right.resource, right.name, right.namespace) for right in found} == {
        ("get", "storageclasses", "efs", ""),
        ("get", "namespaces", "j2k-weather", "j2k-weather"),
        ("patch", "namespaces", "j2k-weather", "j2k-weather"),
    }


def test_a_right_that_is_not_given_is_named() -> None:
    denied = [right for right in asked("exec") if not right.allowed]
    assert [(right.verb, right.resource) for right in denied] == [("create", "pods/exec")]


def test_each_right_is_asked_for_once() -> None:
    found = asked()
    assert len(found) == len(set(found))


def test_subresources_are_asked_for_as_kubernetes_has_them() -> None:
    calls, _ = kubectl()
    calls._runner = runner = Allowing()
    rights_of(calls, OBJECTS, "j2k-weather")
    reviews = json.loads(runner.commands[0].stdin or b"")["items"]
    attributes = [each["spec"]["resourceAttributes"] for each in reviews]
    assert {"verb": "create", "resource": "pods", "subresource": "exec", "namespace": "j2k-weather"} in attributes
    assert all("group" not in each for each in attributes if each["resource"] == "pods")


def test_an_answer_that_is_not_whole_is_no_answer() -> None:
    calls, _ = kubectl('{"status": {"allowed": true}}')
    with pytest.raises(MachineryFailed, match="did not answer what this user may do"):
        rights_of(calls, OBJECTS, "j2k-weather")
