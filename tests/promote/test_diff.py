"""Differences field by field, as people name fields, and whose each field is."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from j2k_dev.promote.diff import difference, owners_of, seen
from j2k_dev.promote.model import FieldChange, Object


def deployment() -> Object:
    """Make a Deployment as the server has it: with what it adds, and what its controllers write."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "stage-2-fit",
            "namespace": "j2k-weather",
            "uid": "1-2-3",
            "resourceVersion": "77",
            "generation": 4,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "annotations": {"deployment.kubernetes.io/revision": "4"},
            "labels": {"j2k.dev/pipeline": "weather"},
        },
        "spec": {
            "replicas": 2,
            "template": {
                "spec": {
                    "containers": [
                        {
                            "name": "worker",
                            "image": "r/fit@sha256:aa",
                            "args": ["a", "b"],
                            "env": [
                                {"name": "KAFKA_BROKER", "value": "one:9092"},
                                {"name": "J2K_STAGE", "value": "fit"},
                            ],
                            "volumeMounts": [{"name": "scratch", "mountPath": "/tmp"}],
                        }
                    ],
                    "tolerations": [{"key": "a", "effect": "NoSchedule"}],
                }
            },
        },
        "status": {"readyReplicas": 2},
    }


def container(each: Object) -> dict[str, Any]:
    found: dict[str, Any] = each["spec"]["template"]["spec"]["containers"][0]
    return found


def changed_to(change: Any) -> tuple[FieldChange, ...]:
    wanted = copy.deepcopy(deployment())
    change(wanted)
    return difference(deployment(), wanted)


def test_the_same_has_no_difference() -> None:
    assert difference(deployment(), deployment()) == ()


def test_what_only_the_server_writes_is_no_difference() -> None:
    def later(each: Object) -> None:
        each["metadata"].update(resourceVersion="99", generation=9, uid="9", managedFields=[{"manager": "j2k"}])
        each["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "9"
        each["status"] = {}

    assert changed_to(later) == ()


def test_a_field_is_named_by_its_path_with_both_values() -> None:
    assert changed_to(lambda each: each["spec"].update(replicas=3)) == (FieldChange("spec.replicas", 2, 3),)


def test_things_in_lists_are_named_by_their_names() -> None:
    def move(each: Object) -> None:
        container(each)["env"][0]["value"] = "two:9092"

    path = "spec.template.spec.containers[worker].env[KAFKA_BROKER].value"
    assert changed_to(move) == (FieldChange(path, "one:9092", "two:9092"),)


def test_another_order_of_named_things_is_no_difference() -> None:
    assert changed_to(lambda each: container(each)["env"].reverse()) == ()


def test_what_comes_and_what_goes_has_one_side() -> None:
    def swap(each: Object) -> None:
        container(each)["env"][1:] = [{"name": "MODE", "value": "fast"}]

    place = "spec.template.spec.containers[worker].env"
    assert changed_to(swap) == (
        FieldChange(f"{place}[J2K_STAGE]", {"name": "J2K_STAGE", "value": "fit"}, None),
        FieldChange(f"{place}[MODE]", None, {"name": "MODE", "value": "fast"}),
    )


def test_lists_of_plain_values_are_compared_as_a_whole() -> None:
    (found,) = changed_to(lambda each: container(each).update(args=["a", "c"]))
    assert found == FieldChange("spec.template.spec.containers[worker].args", ["a", "b"], ["a", "c"])


def test_lists_whose_names_repeat_are_compared_as_a_whole() -> None:
    def twice(each: Object) -> None:
        each["spec"]["template"]["spec"]["tolerations"].append({"key": "a", "effect": "NoExecute"})

    (found,) = changed_to(twice)
    assert found.path == "spec.template.spec.tolerations"


def test_names_with_dots_and_slashes_are_quoted() -> None:
    (found,) = changed_to(lambda each: each["metadata"]["labels"].update({"j2k.dev/release": "x"}))
    assert found == FieldChange('metadata.labels["j2k.dev/release"]', None, "x")


def test_a_claim_that_was_bound_has_not_changed() -> None:
    claim: Object = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "exchange"}, "spec": {}}
    bound = copy.deepcopy(claim)
    bound["spec"]["volumeName"] = "pvc-1"
    bound["metadata"]["annotations"] = {"pv.kubernetes.io/bind-completed": "yes"}
    assert seen(claim) == seen(bound)
    bound["spec"]["storageClassName"] = "other"
    assert seen(claim) != seen(bound)


# --- whose fields -----------------------------------------------------------------------------------------------------


def owned(manager: str, fields: Object, operation: str = "Update", subresource: str = "") -> Object:
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": "apps/v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
        **({"subresource": subresource} if subresource else {}),
    }


def with_owners(*entries: Object) -> Object:
    each = deployment()
    each["metadata"]["managedFields"] = list(entries)
    return each


ENV: Object = {'k:{"name":"KAFKA_BROKER"}': {".": {}, "f:name": {}, "f:value": {}}}
EDITED: Object = {
    "f:spec": {
        "f:replicas": {},
        "f:template": {"f:spec": {"f:containers": {'k:{"name":"worker"}': {"f:env": ENV}}}},
    }
}


def test_a_field_that_somebody_else_set_has_their_name() -> None:
    live = with_owners(owned("kubectl-edit", EDITED), owned("j2k", {"f:spec": {"f:replicas": {}}}, "Apply"))
    wanted = copy.deepcopy(live)
    wanted["spec"]["replicas"] = 3
    container(wanted)["env"][0]["value"] = "two:9092"
    container(wanted)["image"] = "r/fit@sha256:bb"
    assert {each.path.rpartition(".")[2]: each.manager for each in difference(live, wanted)} == {
        "replicas": "kubectl-edit",
        "value": "kubectl-edit",
        "image": "",
    }


def test_what_j2k_applied_is_its_own() -> None:
    assert owners_of(with_owners(owned("j2k", EDITED, "Apply"))) == {}


def test_what_somebody_set_in_j2ks_name_by_another_way_is_not() -> None:
    assert owners_of(with_owners(owned("j2k", {"f:spec": {"f:replicas": {}}}))) == {"spec.replicas": "j2k"}


def test_an_item_that_has_no_name_counts_for_its_list() -> None:
    fields: Object = {"f:spec": {"f:template": {"f:spec": {"f:tolerations": {'v:{"key":"a"}': {}}}}}}
    assert owners_of(with_owners(owned("admin", fields))) == {"spec.template.spec.tolerations": "admin"}


def test_a_label_is_named_as_the_difference_names_it() -> None:
    fields: Object = {"f:metadata": {"f:labels": {"f:j2k.dev/pipeline": {}}}}
    live = with_owners(owned("kubectl-label", fields))
    wanted = copy.deepcopy(live)
    wanted["metadata"]["labels"]["j2k.dev/pipeline"] = "other"
    (found,) = difference(live, wanted)
    assert (found.path, found.manager) == ('metadata.labels["j2k.dev/pipeline"]', "kubectl-label")


# --- whether the cluster moved ----------------------------------------------------------------------------------------


def test_nothing_that_is_there_has_no_hash() -> None:
    assert seen(None) == ""


@pytest.mark.parametrize("name", ["resourceVersion", "generation", "uid"])
def test_what_controllers_write_does_not_move_the_cluster(name: str) -> None:
    later = deployment()
    later["metadata"][name] = "later"
    later["status"] = {"readyReplicas": 0}
    assert seen(later) == seen(deployment())


def test_a_field_that_somebody_sets_moves_it() -> None:
    later = deployment()
    later["spec"]["replicas"] = 5
    assert seen(later) != seen(deployment())
